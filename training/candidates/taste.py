"""Taste: a customer as a vector that is solved from their history, and what models of that kind answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from training.arrays import read_array, read_settings_as, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.interest import strongest
from training.candidates.top import top
from training.interactions import Floats, History, Ints


@dataclass(frozen=True, slots=True)
class TasteModel:
    """``factors`` float32 [items, f]; ``gram`` float32 [f, f]: factors' factors plus a regularisation.

    A model of its own adds its name, its ``defaults``, ``fit`` and ``contributions``.
    """

    defaults: ClassVar[Any]
    """Its settings, an object of its settings class."""

    factors: Floats
    gram: Floats
    settings: Any

    @classmethod
    def of(cls, factors: Floats, gram: Floats, settings: Any) -> Self:
        """The model with what follows from its factors."""
        return cls(factors, gram, settings)

    def contributions(self, item: Ints, weight: Floats) -> Floats:
        """What each item of a history, by the interest in it, adds to the customer's vector: float32 [m, f]."""
        raise NotImplementedError

    def propose(self, history: History, n: int) -> Candidates:
        """The items nearest to the customer's taste; nothing when no item of the history is known."""
        item, weight = strongest(history)
        if n < 1 or not len(item):
            return NONE
        return self.nearest(self.contributions(item, weight).sum(axis=0), n)

    def nearest(self, taste: Floats, n: int) -> Candidates:
        """The ``n`` items that lie furthest along a taste [f]."""
        return top(self.factors @ taste, n)

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        tastes = np.zeros((len(histories), self.factors.shape[1]), np.float32)
        for row, history in enumerate(histories):
            item, weight = strongest(history)
            if len(item):
                tastes[row] = self.contributions(item, weight).sum(axis=0)
        return [top(scores, n) for scores in tastes @ self.factors.T]

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item whose share of the score is largest (Hu et al., ICDM 2008, section 5)."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one fold-in for all of them."""
        known, weight = strongest(history)
        if not len(known) or np.any((items < 0) | (items >= len(self.factors))):
            return [None] * len(items)
        share = self.factors[items] @ self.contributions(known, weight).T
        newest = {item: position for position, item in enumerate(history.item.tolist())}
        return [
            newest[item] if largest > 0 else None
            for item, largest in zip(known[share.argmax(axis=1)].tolist(), share.max(axis=1).tolist(), strict=True)
        ]

    def save(self, folder: Path) -> None:
        write_array(folder, "factors", self.factors)
        write_array(folder, "gram", self.gram)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = read_settings_as(folder, type(cls.defaults))
        return cls.of(read_array(folder, "factors", np.float32, 2), read_array(folder, "gram", np.float32, 2), settings)
