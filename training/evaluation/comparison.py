"""A comparison of models: their answers to one task's questions, counted in every way, and what it was made on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from training.evaluation.breadth import Breadth
from training.evaluation.catalogue import Catalogue
from training.evaluation.evaluation import Answers, Row, breadth_rows, differences, rows, sliced_rows
from training.evaluation.slices import Slice
from training.evaluation.task import Task


@dataclass(frozen=True, slots=True)
class Setting:
    """What models were compared on, in words and numbers for people; times are UTC."""

    question: str
    """What was asked, a whole sentence."""
    learnt_from: str
    asked_about: str
    interactions: int
    items: int
    customers: int
    questions: int
    made_at: datetime
    owners: str = "customers"
    """What ``customers`` counts: sessions, where the data do not tell customers apart."""
    models: Mapping[str, str] = field(default_factory=dict)
    """What a model is, in one sentence each."""
    notes: tuple[str, ...] = ()
    """Whole sentences that a reader needs to judge the figures."""
    cautions: tuple[str, ...] = ()
    """Whole sentences on why not to trust the figures as they are; they stand where nobody misses them."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All figures; of each list ``models`` gives the order, that of the main figure, best first."""

    setting: Setting
    models: tuple[str, ...]
    rows: Sequence[Row]
    """Of each model, over all questions."""
    differences: Sequence[Row] = field(default_factory=tuple)
    """Paired, of the better model minus the other one."""
    sliced: Sequence[Row] = field(default_factory=tuple)
    """Of each model in each slice, and there of the best one minus each other."""


def model_rows(
    answers: Sequence[Answers], task: Task, ks: Sequence[int], catalogue: Catalogue | None, seed: int
) -> list[Row]:
    """Accuracy, coverage and breadth of each model."""
    breadth = Breadth.of(task, catalogue, seed)
    return [
        row for each in answers for row in (*rows(each, task, ks, seed), *breadth_rows(each, task, ks, breadth, seed))
    ]


def compared_with_last(answers: Sequence[Answers], task: Task, ks: Sequence[int], seed: int) -> list[Row]:
    """Each model minus the last one."""
    return [row for each in answers[:-1] for row in differences(each, answers[-1], task, ks, seed)]


def all_sliced(
    answers: Sequence[Answers], task: Task, ks: Sequence[int], slices: Sequence[Slice], seed: int
) -> list[Row]:
    """Accuracy of each model in each slice."""
    return [row for each in answers for row in sliced_rows(each, task, ks, slices, seed)]


def compared(
    setting: Setting,
    answers: Sequence[Answers],
    task: Task,
    found: Sequence[Row],
    slices: Sequence[Slice],
    k: int,
    seed: int,
) -> Comparison:
    """The comparison at ``k``, models ordered by the task's first metric, every pair with its paired difference.

    ``found``: what ``model_rows`` made of the answers.
    """
    main = {row.model: row.value for row in found if row.metric is task.metrics[0] and row.k == k}
    best, *others = ordered = sorted(answers, key=lambda each: -main[each.model])
    gains = [row for other in others for row in sliced_rows(best, task, [k], slices, seed, other)]
    return Comparison(
        setting=setting,
        models=tuple(each.model for each in ordered),
        rows=[row for row in found if row.k == k],
        differences=[row for a, b in combinations(ordered, 2) for row in differences(a, b, task, [k], seed)],
        sliced=all_sliced(ordered, task, [k], slices, seed) + gains,
    )
