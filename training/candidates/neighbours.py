"""Neighbours: the items that each item speaks for most, and the models that store nothing else.

A linear item-item model (EASE, graph filters) differs from the next one in how it is fitted alone: each asks the same
of its table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from training.arrays import read_array, read_settings_as, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.compiled import add_up, strongest_rows
from training.candidates.interest import strongest
from training.candidates.top import top
from training.interactions import Floats, History, Ints, Longs

Known: TypeAlias = "tuple[Ints, Floats]"
"""A history's distinct items, int32 [d], and the interest shown in each, float32 [d]."""


class Neighbours(NamedTuple):
    """Those of item i: ``item[start[i]:start[i + 1]]``, with ``weight``. ``start`` int64 [items + 1], ``item`` int32,
    ``weight`` float32."""

    start: Longs
    item: Ints
    weight: Floats

    @classmethod
    def of(cls, rows: Iterable[tuple[Ints, Floats]]) -> Self:
        """The table of the items' rows, one for each item of the catalogue, in its order."""
        items, weights = zip(*rows, strict=True)
        start = np.concatenate(([0], np.cumsum([len(item) for item in items]))).astype(np.int64)
        return cls(start, np.concatenate(items).astype(np.int32), np.concatenate(weights).astype(np.float32))

    def best(self, known: Known, n: int) -> Candidates:
        """The ``n`` items that the known ones point at most strongly, these items among them."""
        item, weight = known
        if n < 1 or not len(item):
            return NONE
        return Candidates(*add_up(item, weight, self.start, self.item, self.weight, -1, n))

    def best_each(self, known: Sequence[Known], n: int) -> list[Candidates]:
        """``best`` of each, in one product."""
        n_items = len(self.start) - 1
        table = sp.csr_matrix((self.weight, self.item, self.start), shape=(n_items, n_items))
        ends = np.cumsum([0, *(len(item) for item, _ in known)])
        asked = sp.csr_matrix(
            (np.concatenate([w for _, w in known]), np.concatenate([i for i, _ in known]), ends),
            shape=(len(known), n_items),
        )
        return [top(scores, n) for scores in (asked @ table).toarray()]

    def because_each(self, known: Known, history: History, items: Ints) -> list[int | None]:
        """For each of ``items`` the newest touch of the known item that votes most for it."""
        item, weight = known
        rows = strongest_rows(item, weight, self.start, self.item, self.weight, items)
        newest = {item: position for position, item in enumerate(history.item.tolist())}
        return [newest[int(item[row])] if row >= 0 else None for row in rows.tolist()]

    def save(self, folder: Path) -> None:
        for name, array in self._asdict().items():
            write_array(folder, name, array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What ``save`` wrote, mapped into memory; Corrupt when a file is missing or does not fit."""
        return cls(
            read_array(folder, "start", np.int64),
            read_array(folder, "item", np.int32),
            read_array(folder, "weight", np.float32),
        )


@dataclass(frozen=True, slots=True)
class ItemItemModel:
    """What every linear item-item model answers; a model of its own adds its name, its ``defaults`` and ``fit``."""

    defaults: ClassVar[Any]
    """Its settings, an object of its settings class."""

    table: Neighbours
    settings: Any

    def propose(self, history: History, n: int) -> Candidates:
        """The items that the history's items together speak for most, these items among them."""
        return self.table.best(self.known(history), n)

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        return self.table.best_each([self.known(history) for history in histories], n)

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item that speaks most for ``item``."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one look at the table."""
        return self.table.because_each(self.known(history), history, items)

    def known(self, history: History) -> Known:
        """What of the history the table is asked with."""
        return strongest(history)

    def save(self, folder: Path) -> None:
        self.table.save(folder)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = read_settings_as(folder, type(cls.defaults))
        return cls(Neighbours.load(folder), settings)


def furthest(row: Floats, n: int) -> npt.NDArray[np.intp]:
    """Positions of the ``n`` weights furthest from zero, in order, none that is zero."""
    kept = np.argpartition(np.abs(row), -n)[-n:] if n < len(row) else np.arange(len(row))
    return np.sort(kept[row[kept] != 0])
