"""Models answer a task's questions and are counted: the one way in which Shopfloor measures accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from training.candidates.candidate import CandidateModel, Candidates, propose_all
from training.evaluation.bootstrap import Interval, coverage, draw_means, interval, unvaried
from training.evaluation.breadth import Breadth
from training.evaluation.metrics import Hits, Values, per_question
from training.evaluation.slices import Slice
from training.evaluation.task import Metric, Question, Task
from training.interactions import Ints

BATCH: Final = 512
_EMPTY: Final = -2
"""A place that the model left empty; it equals no item, known or unknown."""
_SAME: Final = 1e-9
"""Values that differ by less differ by how their sums were rounded."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its 95 % interval over ``n`` questions, those of ``slice`` where it names one."""

    model: str
    metric: Metric
    k: int
    value: float
    low: float
    high: float
    n: int
    slice: str | None = None

    def as_document(self) -> dict[str, Any]:
        """The row's fields; a row over all questions has no ``slice``."""
        document = {name: getattr(self, name) for name in self.__slots__}
        return document if self.slice else {name: document[name] for name in document if name != "slice"}


@dataclass(frozen=True, slots=True)
class Answers:
    """A model's lists for all q questions, best first: ``shown`` int32 [q, k], ``hits`` bool [q, k]."""

    model: str
    shown: Ints
    hits: Hits
    n_relevant: Ints


def answer(
    name: str, model: CandidateModel, task: Task, k: int, answered: Callable[[int], None] = lambda n: None
) -> Answers:
    """Ask the model for the best ``k`` items of every question, the excluded ones removed, BATCH questions at a time.

    ``answered`` is told how many questions each batch had. One thread of BLAS, as where models are fitted.
    """
    shown = np.full((len(task), k), _EMPTY, np.int32)
    hits = np.zeros((len(task), k), np.bool_)
    n_relevant = np.empty(len(task), np.int32)
    start = 0
    with threadpool_limits(1, "blas"):
        for questions in task.batches(BATCH):
            most = k + max(len(question.excluded) for question in questions)
            proposed = propose_all(model, [question.history for question in questions], most)
            for i, (question, candidates) in enumerate(zip(questions, proposed, strict=True), start):
                best = _best(candidates, question, k)
                shown[i, : len(best)] = best
                hits[i, : len(best)] = np.isin(best, question.relevant)
                n_relevant[i] = len(question.relevant)
            start += len(questions)
            answered(len(questions))
    return Answers(name, shown, hits, n_relevant)


def rows(answers: Answers, task: Task, ks: Sequence[int], seed: int = 0) -> list[Row]:
    """Every metric of the task at every k, with intervals."""
    wanted = [(metric, k) for k in ks for metric in task.metrics if metric is not Metric.COVERAGE]
    values = _values(answers, wanted)
    draws = draw_means(values, task.cluster, task.n_clusters, seed)
    counted: dict[tuple[Metric, int], Interval] = {
        key: _interval(values[:, column], draws[:, column], task.cluster, 0.0) for column, key in enumerate(wanted)
    }
    for k in ks:
        counted[Metric.COVERAGE, k] = coverage(answers.shown[:, :k], task.cluster, task.train.n_items, seed)
    return [_row(answers.model, metric, k, counted[metric, k], len(task)) for k in ks for metric in task.metrics]


def differences(ours: Answers, others: Answers, task: Task, ks: Sequence[int], seed: int = 0) -> list[Row]:
    """``ours`` minus ``others`` on the same questions, the interval paired; coverage has no pairs and is left out."""
    wanted = [(metric, k) for k in ks for metric in task.metrics if metric is not Metric.COVERAGE]
    gained = _values(ours, wanted) - _values(others, wanted)
    draws, name = draw_means(gained, task.cluster, task.n_clusters, seed), f"{ours.model} - {others.model}"
    return [
        _row(name, metric, k, _interval(gained[:, c], draws[:, c], task.cluster, -1.0), len(task))
        for c, (metric, k) in enumerate(wanted)
    ]


def breadth_rows(answers: Answers, task: Task, ks: Sequence[int], breadth: Breadth, seed: int = 0) -> list[Row]:
    """What the lists are like besides right, at every k; n counts the lists that have the figure."""
    wanted = [(metric, k) for k in ks for metric in breadth.metrics]
    values = np.stack([breadth.per_question(metric, k, answers.shown, answers.hits) for metric, k in wanted], axis=1)
    return _counted(answers.model, wanted, values, task.cluster, seed)


def sliced_rows(
    answers: Answers,
    task: Task,
    ks: Sequence[int],
    slices: Sequence[Slice],
    seed: int = 0,
    other: Answers | None = None,
) -> list[Row]:
    """Every accuracy metric at every k in each slice; with ``other``, the paired difference to it.

    Coverage is left out: fewer customers are shown fewer items, however good the model.
    """
    wanted = [(metric, k) for k in ks for metric in task.metrics if metric is not Metric.COVERAGE]
    name = answers.model if other is None else f"{answers.model} - {other.model}"
    found = []
    for part in slices:
        asked, ours = _within(answers, task, part)
        values = _values(ours, wanted)[asked]
        if other is not None:
            values -= _values(_within(other, task, part)[1], wanted)[asked]
        cluster = np.unique(task.cluster[asked], return_inverse=True)[1].astype(np.int32)
        found += _counted(name, wanted, values, cluster, seed, part.name, least=0.0 if other is None else -1.0)
    return found


def _within(answers: Answers, task: Task, part: Slice) -> tuple[npt.NDArray[np.bool_], Answers]:
    """The questions of a slice, bool [q], and the answers as they count in it."""
    if part.items is None:
        return part.asked if part.asked is not None else np.ones(len(task), np.bool_), answers
    question, item = task.right_answers()
    n_relevant = np.bincount(question, part.items[item], len(task)).astype(np.int32)
    hits = answers.hits & part.items[answers.shown]
    # A question without a right answer in the slice is not asked there; 1 only keeps it from dividing by none.
    return n_relevant > 0, Answers(answers.model, answers.shown, hits, np.maximum(n_relevant, 1))


def _counted(
    model: str,
    wanted: Sequence[tuple[Metric, int]],
    values: Values,
    cluster: Ints,
    seed: int,
    part: str | None = None,
    least: float = 0.0,
) -> list[Row]:
    """Rows of the columns of ``values`` [q, len(wanted)]; a column that is NaN throughout gives none."""
    draws = draw_means(values, cluster, int(cluster.max()) + 1, seed)
    found = []
    for column, (metric, k) in enumerate(wanted):
        n = int((~np.isnan(values[:, column])).sum())
        if n:
            bounded = metric is not Metric.NOVELTY
            figure = _interval(values[:, column], draws[:, column], cluster, least if bounded else None)
            found.append(Row(model, metric, k, *figure, n, part))
    return found


def _interval(values: Values, draws: Values, cluster: Ints, least: float | None) -> Interval:
    """The mean of ``values`` [q] with the middle of its ``draws``, or where nothing varies with ``unvaried``'s room.

    Values lie between ``least`` and 1; None: they have no bounds, so that nothing can be said.
    """
    told = ~np.isnan(values)
    found = interval(float(values[told].mean()), draws)
    if least is None or np.ptp(values[told]) > _SAME:
        return found
    return unvaried(found.value, len(np.unique(cluster[told])), least, 1.0)


def _best(candidates: Candidates, question: Question, k: int) -> Ints:
    if not len(question.excluded):
        return candidates.item[:k]
    return candidates.item[~np.isin(candidates.item, question.excluded)][:k]


def _values(answers: Answers, wanted: Sequence[tuple[Metric, int]]) -> Values:
    return np.stack([per_question(metric, k, answers.hits, answers.n_relevant) for metric, k in wanted], axis=1)


def _row(model: str, metric: Metric, k: int, figure: Interval, n: int) -> Row:
    return Row(model, metric, k, figure.value, figure.low, figure.high, n)
