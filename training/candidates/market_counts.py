"""Market counts: what each market counts of each item, smoothed towards all markets, for every item there is.

A market's counts lean on those of all markets as on a Dirichlet prior, so that a market with little or no data shows
what is wanted everywhere. What a market never touched is not stored for it: there are no more entries than
interactions, however many items and markets a shop has.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from training.arrays import read_array, write_array
from training.interactions import Floats, Interactions, Ints, Longs

Counts = npt.NDArray[np.float64]
ALL_MARKETS: Final = -1
"""Stands for all markets together, and so does any market that is not known."""


class MarketCounts(NamedTuple):
    """Several kinds of counts k, each the sum of a weight of its own.

    ``everywhere`` float32 [k, items]: of all markets. Market m has touched ``market_item[start[m]:start[m + 1]]``,
    ascending, with the counts ``market_count`` in the same columns. ``market_start`` int64 [markets + 1],
    ``market_item`` int32 [entries], ``market_count`` float32 [k, entries].
    """

    market_start: Longs
    market_item: Ints
    market_count: Floats
    everywhere: Floats

    @classmethod
    def of(cls, interactions: Interactions, *weights: Floats) -> Self:
        """``weights``: float32 [n] each; interactions without a market count everywhere alone."""
        n_items = interactions.n_items
        known = interactions.market >= 0
        places = interactions.market[known].astype(np.int64) * n_items + interactions.item[known]
        entry, at = np.unique(places, return_inverse=True)
        counts = [np.bincount(at, weight[known], len(entry)) for weight in weights]
        everywhere = [np.bincount(interactions.item, weight, n_items) for weight in weights]
        return cls(
            market_start=np.searchsorted(entry, np.arange(len(interactions.markets) + 1) * n_items).astype(np.int64),
            market_item=(entry % max(n_items, 1)).astype(np.int32),
            market_count=np.stack(counts).astype(np.float32),
            everywhere=np.stack(everywhere).astype(np.float32),
        )

    @property
    def markets(self) -> list[int]:
        """Every market, and at last ALL_MARKETS."""
        return [*range(len(self.market_start) - 1), ALL_MARKETS]

    def known(self, market: int) -> int:
        """``market``, or ALL_MARKETS where it is unknown."""
        return market if 0 <= market < len(self.market_start) - 1 else ALL_MARKETS

    def smoothed(self, market: int, items: Ints, prior: float) -> Counts:
        """The market's counts of ``items``, float64 [k, len(items)], and ``prior`` more, shared out as everywhere.

        Of all markets, plain counts.
        """
        counts = self.everywhere[:, items].astype(np.float64)
        if self.known(market) == ALL_MARKETS:
            return counts
        counts *= prior / max(float(self.everywhere[0].sum(dtype=np.float64)), np.finfo(np.float64).tiny)
        touched = slice(*self.market_start[market : market + 2])
        own = self.market_item[touched]
        at = np.searchsorted(own, items)
        found = at < len(own)
        found[found] = own[at[found]] == items[found]
        counts[:, found] += self.market_count[:, touched][:, at[found]]
        return counts

    def save(self, folder: Path) -> None:
        for name, array in self._asdict().items():
            write_array(folder, name, array)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What ``save`` wrote, mapped into memory; Corrupt when a file is missing or does not fit."""
        return cls(
            read_array(folder, "market_start", np.int64),
            read_array(folder, "market_item", np.int32),
            read_array(folder, "market_count", np.float32, 2),
            read_array(folder, "everywhere", np.float32, 2),
        )


def leading(scores: Iterable[Counts], depth: int) -> tuple[Ints, Floats]:
    """The best ``depth`` items of each row of scores [items], int32 and float32 [rows, min(items, depth)], best first,
    equal ones by number."""
    items: list[Ints] = []
    kept: list[Floats] = []
    for score in scores:
        best = np.argsort(-score, kind="stable")[:depth]
        items.append(best.astype(np.int32))
        kept.append(score[best].astype(np.float32))
    return np.stack(items), np.stack(kept)
