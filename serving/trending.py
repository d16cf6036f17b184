"""Popular without a model: what this process's own visitors cared for lately, decayed, per market.

It is the step of the fallback ladder for a shop that has events and no trained model yet. It knows only events
that came in through this process since it started.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from feature_repo.activity import KIND_OF_EVENT, Kind
from ingestion.contracts.event import Event

HALF_LIFE_SECONDS: Final = 3 * 86_400.0
MAX_ITEMS: Final = 50_000
MAX_MARKETS: Final = 500
RANKING_SECONDS: Final = 1.0
"""A market is ranked again at most this often."""
WEIGHT: Final = {Kind.VIEW: 1.0, Kind.WISH: 2.0, Kind.CART: 3.0, Kind.BUY: 5.0}


class Trending:
    """Exponentially decayed counts; scores grow with time instead of decaying, which orders them the same."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._start = clock()
        self._score: dict[str | None, dict[str, float]] = {}
        self._ranked: dict[str | None, tuple[float, list[str]]] = {}

    def add(self, event: Event) -> None:
        kind = KIND_OF_EVENT.get(event.event_name)
        if kind is None:
            return
        weight = WEIGHT[kind] * 2.0 ** (self._age() / HALF_LIFE_SECONDS)
        for market in {None, event.market}:
            if market not in self._score and len(self._score) >= MAX_MARKETS:
                continue
            scores = self._score.setdefault(market, {})
            for item in event.items:
                scores[item.item_id] = scores.get(item.item_id, 0.0) + weight
            if len(scores) > MAX_ITEMS:
                self._score[market] = dict(sorted(scores.items(), key=lambda entry: -entry[1])[: MAX_ITEMS // 2])

    def knows(self, market: str) -> bool:
        """Whether anything came in from the market."""
        return market in self._score

    def top(self, market: str | None) -> list[str]:
        """All items of the market, best first; of the whole shop where nothing is known of the market."""
        market = market if market in self._score else None
        now = self._age()
        ranked_at, items = self._ranked.get(market, (-RANKING_SECONDS, []))
        if now - ranked_at >= RANKING_SECONDS or not items:
            scores = self._score.get(market, {})
            items = sorted(scores, key=lambda item_id: (-scores[item_id], item_id))
            self._ranked[market] = (now, items)
        return items

    def _age(self) -> float:
        return (self._clock() - self._start).total_seconds()
