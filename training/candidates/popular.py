"""Popular: what most customers of a market want lately. The baseline, and the last resort before the newest items.

Interactions count by kind and decay with age. A market's counts are smoothed towards those of all markets
(``market_counts.py``). Of some items alone, a category's say, the most wanted ones are found however far down the
market's whole list they stand.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from pydantic import Field

from training.arrays import read_array, read_settings_as, write_array, write_settings
from training.candidates.candidate import Candidates, Mask
from training.candidates.interest import decay, interest
from training.candidates.market_counts import MarketCounts, leading
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints

DEPTH: Final = 5000
"""Most items kept in the order of a market; those further down are counted when some items alone are asked for."""


@dataclass(frozen=True, slots=True)
class PopularSettings:
    half_life_days: Annotated[float, Field(gt=0)] = 14.0
    prior: Annotated[float, Field(ge=0)] = 50.0
    """Interactions (a view counts 1) that the experience of all markets is worth in each."""


@dataclass(frozen=True, slots=True)
class Popular:
    """``item`` int32 and ``score`` float32 [markets + 1, min(items, DEPTH)], best first; the last row: all markets.
    ``counts``: one kind, of every item."""

    name: ClassVar[str] = "popular"
    defaults: ClassVar[PopularSettings] = PopularSettings()

    item: Ints
    score: Floats
    counts: MarketCounts
    settings: PopularSettings

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: PopularSettings | None = None) -> Self:
        """Count; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        newest = interactions.time.max(initial=0)
        weight = interest(interactions.kind) * decay(newest - interactions.time, settings.half_life_days)
        counts = MarketCounts.of(interactions, weight)
        everything = np.arange(interactions.n_items, dtype=np.int32)
        scores = (counts.smoothed(market, everything, settings.prior)[0] for market in counts.markets)
        return cls(*leading(scores, DEPTH), counts, settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The market's most wanted items, whatever the customer did."""
        row = self.counts.known(history.market)
        known = self.score[row, : max(n, 0)] > 0
        return Candidates(self.item[row, : max(n, 0)][known], self.score[row, : max(n, 0)][known])

    def propose_among(self, history: History, allowed: Mask, n: int) -> Candidates:
        """The most wanted of the allowed items in the market."""
        item = np.flatnonzero(allowed).astype(np.int32)
        wanted = self.counts.smoothed(history.market, item, self.settings.prior)[0]
        best = top(wanted.astype(np.float32), n)
        return Candidates(item[best.item], best.score)

    def because(self, history: History, item: int) -> int | None:
        """None: nothing the customer did speaks for a popular item."""
        return None

    def save(self, folder: Path) -> None:
        write_array(folder, "item", self.item)
        write_array(folder, "score", self.score)
        self.counts.save(folder)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = read_settings_as(folder, PopularSettings)
        item, score = read_array(folder, "item", np.int32, 2), read_array(folder, "score", np.float32, 2)
        return cls(item, score, MarketCounts.load(folder), settings)
