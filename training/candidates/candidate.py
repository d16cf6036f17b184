"""What every candidate model is: fitted from interactions, asked for a customer's history, stored without pickle."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from training.interactions import Floats, History, Interactions, Ints

FILTERED_DEPTH: Final = 5_000
"""Candidates asked of a model when only some of them may be shown."""

Mask = npt.NDArray[np.bool_]


class Candidates(NamedTuple):
    """Items with scores, best first; ``item`` int32 [c], ``score`` float32 [c] > 0, each item at most once."""

    item: Ints
    score: Floats


NONE = Candidates(np.empty(0, np.int32), np.empty(0, np.float32))


class CandidateModel(Protocol):
    """One way to propose items.

    A model is immutable once fitted, the same for the same data, settings and seed, and honest: where it knows
    nothing about the history it returns fewer items than asked, or none.
    """

    name: ClassVar[str]

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0) -> Self:
        """Learn from the interactions; further settings are keyword arguments with defaults."""
        ...

    def propose(self, history: History, n: int) -> Candidates:
        """The best ``n`` items for this history. Items already seen stay eligible unless the model's page says not."""
        ...

    def because(self, history: History, item: int) -> int | None:
        """The position in ``history`` that speaks most for ``item``; None when no single one does."""
        ...

    def save(self, folder: Path) -> None:
        """Write arrays as .npy and settings as JSON into an empty folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote, arrays mapped into memory; Corrupt when a file is missing or does not fit."""
        ...


@runtime_checkable
class BatchModel(Protocol):
    """A model that answers many histories in one go more cheaply than one by one, with equal answers."""

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        """``propose`` for each history; memory grows with the number of histories, so callers bound it."""
        ...


@runtime_checkable
class WarmStart(Protocol):
    """A model whose learning begins with chance, and can begin with an earlier one of its kind instead."""

    @property
    def settings(self) -> Any:
        """What it was fitted with, an object of the class of its ``defaults``."""
        ...

    def refitted(self, interactions: Interactions, place: Ints, seed: int = 0) -> CandidateModel:
        """The same model of other interactions, begun with what this one knows of items.

        ``place``: int32 [items of ``interactions``], where each stands in this model's vocabulary, -1 where it does
        not.
        """
        ...


def propose_all(model: CandidateModel, histories: Sequence[History], n: int) -> list[Candidates]:
    """``propose`` for each history, in one go where the model can."""
    if isinstance(model, BatchModel):
        return model.propose_batch(histories, n)
    return [model.propose(history, n) for history in histories]


@runtime_checkable
class ProposesAmong(Protocol):
    """A model that finds the best of some items alone, however far down its whole list they stand."""

    def propose_among(self, history: History, allowed: Mask, n: int) -> Candidates:
        """The best ``n`` of the items that are ``allowed``, bool [items]."""
        ...


def proposed(model: CandidateModel, history: History, n: int, allowed: Mask | None = None) -> Candidates:
    """The best ``n`` items; where only the ``allowed`` ones, bool [items], may be shown, enough to choose from them.

    That is the best FILTERED_DEPTH and, of a model that can look for them, the best ``n`` of the allowed items. The
    others stay in the list, for an item counts by how it does beside all there are.
    """
    if allowed is None:
        return model.propose(history, n)
    listed = model.propose(history, max(n, FILTERED_DEPTH))
    if not _proposes_among(type(model)):
        return listed
    found = cast("ProposesAmong", model).propose_among(history, allowed, n)
    beyond = ~np.isin(found.item, listed.item)
    item = np.concatenate([listed.item, found.item[beyond]])
    score = np.concatenate([listed.score, found.score[beyond]])
    order = np.argsort(-score, kind="stable")
    return Candidates(item[order], score[order])


@cache
def _proposes_among(model: type) -> bool:
    """Remembered, because asking a protocol takes longer than the answer."""
    return issubclass(model, ProposesAmong)


@runtime_checkable
class ExplainsTogether(Protocol):
    """A model to which naming the reasons of several items at once is cheaper than one by one."""

    def because_each(self, history: History, items: Ints) -> Sequence[int | None]:
        """``because`` of each item."""
        ...


def because_all(model: CandidateModel, history: History, items: Ints) -> Sequence[int | None]:
    """``because`` of each of ``items``, all different, in one go where the model can."""
    if _explains_together(type(model)):
        return cast("ExplainsTogether", model).because_each(history, items)
    return [model.because(history, item) for item in items.tolist()]


@cache
def _explains_together(model: type) -> bool:
    """Remembered, because asking a protocol takes longer than the answer."""
    return issubclass(model, ExplainsTogether)
