"""Trending: what more customers want lately than its longer past foretells, rather than what is wanted most.

Each item's interest is counted twice, with a short and with a long half-life. Were nothing to change, the short count
would be the same share of the long one for every item; an item trends by how far its short count lies above that, in
standard deviations of a Poisson count (as in Kleinberg's bursts, KDD 2002, with two rates in place of a hierarchy).
Markets lean on the whole shop where they have few interactions (``market_counts.py``), and a customer's own categories
come first. Of some items alone, what rises is found however little it rises beside the rest of the shop.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from pydantic import Field

from training.arrays import read_array, read_settings_as, write_array, write_settings
from training.candidates.candidate import NONE, Candidates, Mask
from training.candidates.interest import decay, interest
from training.candidates.market_counts import Counts, MarketCounts, leading
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints

DEPTH: Final = 2000
"""Most items kept in the order of a market; those further down are counted when some items alone are asked for."""
ROUNDING: Final = 1e-5
"""A count this share above the foretold one is as foretold: counts are kept as float32."""


@dataclass(frozen=True, slots=True)
class TrendingSettings:
    half_life_days: Annotated[float, Field(gt=0)] = 3.0
    past_half_life_days: Annotated[float, Field(gt=0)] = 30.0
    """Of what the latest days are compared with."""
    prior: Annotated[float, Field(gt=0)] = 20.0
    """Interactions (a view counts 1) that the experience of all markets is worth in each."""
    doubt: Annotated[float, Field(gt=0)] = 5.0
    """Interactions added to what is expected of an item, so that two views of something rare are no trend."""
    preference: Annotated[float, Field(ge=0)] = 4.0
    """How much more an item counts whose category is all the customer looked at; half of it for a parent category."""


@dataclass(frozen=True, slots=True)
class Trending:
    """``item`` int32 and ``score`` float32 [markets + 1, min(items, DEPTH)], best first, 0 for what does not rise; the
    last row: all markets. ``counts``, of every item: what came lately, and what the past foretells of it; both have the
    same sum in each market. ``category`` and ``parent``: int32 [items], -1 where unknown."""

    name: ClassVar[str] = "trending"
    defaults: ClassVar[TrendingSettings] = TrendingSettings()

    item: Ints
    score: Floats
    counts: MarketCounts
    category: Ints
    parent: Ints
    settings: TrendingSettings

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: TrendingSettings | None = None) -> Self:
        """Count; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        age = interactions.time.max(initial=0) - interactions.time
        lately, before = (
            interest(interactions.kind) * decay(age, days)
            for days in (settings.half_life_days, settings.past_half_life_days)
        )
        counts = MarketCounts.of(interactions, lately, before)
        _foretell(counts)
        everything = np.arange(interactions.n_items, dtype=np.int32)
        scores = (
            _rising(counts.smoothed(market, everything, settings.prior), settings.doubt) for market in counts.markets
        )
        unknown = np.full(interactions.n_items, -1, np.int32)
        taxonomy = interactions.taxonomy
        category, parent = (taxonomy.category, taxonomy.parent) if taxonomy is not None else (unknown, unknown)
        return cls(*leading(scores, DEPTH), counts, category, parent, settings)

    def propose(self, history: History, n: int) -> Candidates:
        """What rises in the market, the customer's own categories first; nothing where nothing rises."""
        row = self.counts.known(history.market)
        return self._preferred(history, self.item[row], self.score[row], n)

    def propose_among(self, history: History, allowed: Mask, n: int) -> Candidates:
        """What rises in the market of the allowed items."""
        item = np.flatnonzero(allowed).astype(np.int32)
        counts = self.counts.smoothed(history.market, item, self.settings.prior)
        return self._preferred(history, item, _rising(counts, self.settings.doubt), n)

    def because(self, history: History, item: int) -> int | None:
        """The latest touch of the item's category, else of its parent; None where the customer knows neither."""
        if not 0 <= item < len(self.category):
            return None
        for place in (self.category, self.parent):
            touched = np.flatnonzero((place[history.item] == place[item]) & (place[item] >= 0))
            if len(touched):
                return int(touched[history.time[touched].argmax()])
        return None

    def save(self, folder: Path) -> None:
        for name in ("item", "score", "category", "parent"):
            write_array(folder, name, getattr(self, name))
        self.counts.save(folder)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = read_settings_as(folder, TrendingSettings)
        item, score = read_array(folder, "item", np.int32, 2), read_array(folder, "score", np.float32, 2)
        category, parent = (read_array(folder, name, np.int32) for name in ("category", "parent"))
        return cls(item, score, MarketCounts.load(folder), category, parent, settings)

    def _preferred(self, history: History, item: Ints, score: Counts | Floats, n: int) -> Candidates:
        """The best ``n`` of these items, which rise by ``score``, to this customer."""
        best = top((score * (1 + self._preference(history, item))).astype(np.float32), n)
        return Candidates(item[best.item].astype(np.int32), best.score) if len(best.item) else NONE

    def _preference(self, history: History, items: Ints) -> Counts:
        """What the share of the customer's interest in each item's category and parent adds, float64 [items]."""
        weight = interest(history.kind)
        added = np.zeros(len(items))
        for place, factor in ((self.category, 1.0), (self.parent, 0.5)):
            known = place[history.item] >= 0
            interests = np.bincount(place[history.item][known], weight[known], int(place.max(initial=0)) + 1)
            shares = factor * interests / max(float(weight.sum()), 1.0)
            added = np.maximum(added, np.where(place[items] >= 0, shares[place[items]], 0.0))
        return np.asarray(self.settings.preference * added)


def _foretell(counts: MarketCounts) -> None:
    """Scale the past of each market, and of all, to the sum of what came lately."""
    for lately, before in (counts.everywhere, *np.split(counts.market_count, counts.market_start[1:-1], axis=1)):
        past = max(float(before.sum(dtype=np.float64)), np.finfo(np.float64).tiny)
        np.multiply(before, float(lately.sum(dtype=np.float64)) / past, out=before)


def _rising(counts: Counts, doubt: float) -> Counts:
    """How far what came lately lies above what was foretold, in standard deviations; 0 where it does not."""
    found, expected = counts
    above = np.where(found > expected * (1 + ROUNDING), found - expected, 0.0)
    return np.asarray(above / np.sqrt(expected + doubt))
