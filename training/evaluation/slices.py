"""Slices: parts of the questions, or of the right answers, in which a model may be worse than its mean tells."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from training.evaluation.catalogue import Catalogue
from training.evaluation.task import UNKNOWN, Task
from training.interactions import Interactions, Ints, Longs

Mask: TypeAlias = npt.NDArray[np.bool_]
Steps: TypeAlias = tuple[tuple[int, str], ...]

HEAD: Final = 0.5
TORSO: Final = 0.8
"""Head: the most popular items, which together have this share of all interactions; torso: up to TORSO; then tail."""
NAMED: Final = 8
"""So many markets and product lines are slices of their own, the largest; the others are one slice together."""
SESSION_LENGTHS: Final = ((1, "1"), (2, "2"), (3, "3-5"), (6, "6+"))
"""Least number of clicks before the question, and the slice that begins with it."""
HISTORY_LENGTHS: Final = ((0, "0"), (1, "1-4"), (5, "5-19"), (20, "20+"))


@dataclass(frozen=True, slots=True)
class Slice:
    """The questions of ``asked`` bool [q], or the right answers among ``items`` bool [n_items + 1].

    The last place of ``items`` stands for all items that training lacks, as UNKNOWN counts from the end. Of a question
    only the right answers among ``items`` count then; one without any is no question of the slice.
    """

    name: str
    """``kind=part``, such as ``item=head``."""
    asked: Mask | None = None
    items: Mask | None = None


def slices_of(task: Task, catalogue: Catalogue | None = None) -> list[Slice]:
    """New and known customers, new, head, torso and tail items, markets, lengths of session or history, product lines.

    Empty slices are left out, and so is a kind all of whose questions lie in one slice: it would repeat the total.
    """
    kinds = [_customers(task), _items(task), _markets(task), *_lengths(task)]
    if catalogue is not None and catalogue.has_categories:
        kinds.append(_lines(task, catalogue))
    return [part for parts in kinds if len(parts) > 1 for part in parts]


def _customers(task: Task) -> list[Slice]:
    if task.new_customer is None:
        return []
    return _by_question("customer", {"new": task.new_customer, "known": ~task.new_customer}.items())


def _lengths(task: Task) -> list[list[Slice]]:
    """By the clicks of the visit, and by what was known of the customer before it; either where the task tells it."""
    known, clicks = task.last - task.first, task.clicks()
    if clicks is None:
        return [_steps("history", HISTORY_LENGTHS, known)]
    session = _steps("session", ((0, "0"), *SESSION_LENGTHS), clicks)
    return [session] if task.in_session else [session, _steps("history", HISTORY_LENGTHS, known - clicks)]


def _steps(kind: str, steps: Steps, length: Longs) -> list[Slice]:
    step = np.searchsorted([least for least, _ in steps], length, side="right") - 1
    return _by_question(kind, ((name, step == place) for place, (_, name) in enumerate(steps)))


def _markets(task: Task) -> list[Slice]:
    if not task.train.markets or not len(task.market):
        return []
    told = task.last > task.first
    market = np.where(told, task.market[np.maximum(task.last - 1, 0)], UNKNOWN)
    parts = _largest(market, task.train.markets)
    return _by_question("market", ((name, np.isin(market, numbers)) for name, numbers in parts.items()))


def _items(task: Task) -> list[Slice]:
    parts = {name: (CLASSES.index(name),) for name in ("head", "torso", "tail", "new")}
    return _by_item(task, "item", parts, popularity_classes(task.train))


CLASSES: Final = ("new", "head", "torso", "tail")


def popularity_classes(train: Interactions) -> Ints:
    """The place in CLASSES of each item and, last, of all that training lacks: int32 [n_items + 1].

    An item in the vocabulary that nobody has touched is new too.
    """
    counts = np.bincount(train.item, minlength=train.n_items)
    order = np.argsort(-counts, kind="stable")
    before = (np.cumsum(counts[order]) - counts[order]) / max(len(train), 1)
    classes = np.zeros(train.n_items + 1, np.int32)
    classes[order] = np.where(before < HEAD, 1, np.where(before < TORSO, 2, 3))
    classes[:-1][counts == 0] = 0
    return classes


def _lines(task: Task, catalogue: Catalogue) -> list[Slice]:
    """Items of which no line is known, as those that an evaluation's training file lacks, are in none."""
    line = np.append(catalogue.line, np.int32(UNKNOWN))
    _, item = task.right_answers()
    return _by_item(task, "category", _largest(line[item], catalogue.lines), line)


def _largest(number: Ints, names: tuple[str, ...]) -> Mapping[str, tuple[int, ...]]:
    """Names of the NAMED most frequent numbers, each with its number, and ``others`` with all the rest."""
    counts = np.bincount(number[number != UNKNOWN], minlength=len(names))
    order = [int(place) for place in np.argsort(-counts, kind="stable") if counts[place]]
    parts: dict[str, tuple[int, ...]] = {names[place]: (place,) for place in order[:NAMED]}
    if len(order) > NAMED:
        parts["(others)"] = tuple(order[NAMED:])
    return parts


def _by_question(kind: str, parts: Iterable[tuple[str, Mask]]) -> list[Slice]:
    return [Slice(f"{kind}={name}", asked=asked) for name, asked in parts if asked.any()]


def _by_item(task: Task, kind: str, parts: Mapping[str, tuple[int, ...]], number: Ints) -> list[Slice]:
    _, item = task.right_answers()
    chosen = {name: np.isin(number, numbers) for name, numbers in parts.items()}
    return [Slice(f"{kind}={name}", items=items) for name, items in chosen.items() if items[item].any()]
