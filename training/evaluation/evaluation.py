"""Models answer a task's questions and are counted: the one way in which Shopfloor measures accuracy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from training.candidates.candidate import CandidateModel, Candidates, propose_all
from training.evaluation.bootstrap import Interval, coverage, draw_means, interval
from training.evaluation.metrics import Hits, Values, per_question
from training.evaluation.task import Metric, Question, Task
from training.interactions import Ints

BATCH: Final = 512
_EMPTY: Final = -2
"""A place that the model left empty; it equals no item, known or unknown."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure with its 95 % interval over ``n`` questions."""

    model: str
    metric: Metric
    k: int
    value: float
    low: float
    high: float
    n: int

    def as_document(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


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

    ``answered`` is told how many questions each batch had.
    """
    shown = np.full((len(task), k), _EMPTY, np.int32)
    hits = np.zeros((len(task), k), np.bool_)
    n_relevant = np.empty(len(task), np.int32)
    start = 0
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
        key: interval(values[:, column].mean(), draws[:, column]) for column, key in enumerate(wanted)
    }
    for k in ks:
        counted[Metric.COVERAGE, k] = coverage(answers.shown[:, :k], task.cluster, task.train.n_items, seed)
    return [_row(answers.model, metric, k, counted[metric, k], len(task)) for k in ks for metric in task.metrics]


def differences(ours: Answers, others: Answers, task: Task, ks: Sequence[int], seed: int = 0) -> list[Row]:
    """``ours`` minus ``others`` on the same questions, the interval paired; coverage has no pairs and is left out."""
    wanted = [(metric, k) for k in ks for metric in task.metrics if metric is not Metric.COVERAGE]
    gained = _values(ours, wanted) - _values(others, wanted)
    draws = draw_means(gained, task.cluster, task.n_clusters, seed)
    return [
        _row(f"{ours.model} - {others.model}", metric, k, interval(gained[:, c].mean(), draws[:, c]), len(task))
        for c, (metric, k) in enumerate(wanted)
    ]


def _best(candidates: Candidates, question: Question, k: int) -> Ints:
    if not len(question.excluded):
        return candidates.item[:k]
    return candidates.item[~np.isin(candidates.item, question.excluded)][:k]


def _values(answers: Answers, wanted: Sequence[tuple[Metric, int]]) -> Values:
    return np.stack([per_question(metric, k, answers.hits, answers.n_relevant) for metric, k in wanted], axis=1)


def _row(model: str, metric: Metric, k: int, figure: Interval, n: int) -> Row:
    return Row(model, metric, k, figure.value, figure.low, figure.high, n)
