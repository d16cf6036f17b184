"""What answers are made from: the distributions that a training stores and the service compares its own traffic with.

Every answer falls into one part of each feature that it can tell of. Features of the customer are told when they
**arrive**, with nothing from them in the last half hour: how often a page asks within a visit is the shop's choice and
would move them without any drift. Features of the item, the newest one that the answer is made from, are told by every
answer. A training replays its newest interactions as if each had been asked about.

| feature         | part                                                   | told by               |
|-----------------|--------------------------------------------------------|-----------------------|
| customers       | known, new, unread (the online store did not answer)   | customers who arrive  |
| history_length  | interactions that are known of the customer, up to 50  | known ones who arrive |
| days_away       | days since the last of them                            | known ones who arrive |
| last_kind       | kind of the last of them: view, wish, cart, buy        | known ones who arrive |
| markets         | market of the question                                 | every answer          |
| unknown_items   | whether the model knows the newest item                | answers with an item  |
| item_popularity | tenth of the model's items that the newest item is in  | answers with an item  |
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from feature_repo.activity import MAX_INTERACTIONS, Kind
from training.interactions import Interactions, Longs

Traffic = dict[str, dict[str, int]]
"""Feature -> part -> answers."""

ARRIVAL_SECONDS: Final = 30 * 60
DAY_SECONDS: Final = 86_400
LATEST_SHARE: Final = 0.1
"""Histories grow over a window: only its latest part is like the traffic that follows it."""
LEAST_REPLAYED: Final = 5_000
"""Fewer than these are not a distribution worth comparing with, so small shops replay more than the latest share."""

LENGTHS: Final = (2, 3, 5, 10, 20, MAX_INTERACTIONS)
LENGTH_PARTS: Final = ("1", "2", "3-4", "5-9", "10-19", "20-49", "50")
DAYS: Final = (1, 3, 7, 14, 28, 60, 120)
DAY_PARTS: Final = ("0", "1-2", "3-6", "7-13", "14-27", "28-59", "60-119", "120+")
KIND_PARTS: Final = ("", *(kind.name.lower() for kind in Kind))
"""By Kind's number."""
TENTH_PARTS: Final = (*(f"{number}. tenth" for number in range(1, 11)), "without interactions")
NO_MARKET: Final = "(none)"


def replayed_traffic(interactions: Interactions, tenth: Longs) -> Traffic:
    """What answers would have been made from at the newest interactions; ``tenth`` [items], 0 for the most popular.

    An item counts as unknown while its first interaction lies less than a day back (a tenth of a shorter window): a
    model that is trained each night does not know it yet.
    """
    order = np.lexsort((interactions.time, interactions.user))
    user, time, kind = interactions.user[order], interactions.time[order], interactions.kind[order]
    n = len(user)
    starts = np.flatnonzero(np.diff(user, prepend=-1) != 0)
    before = np.arange(n) - np.repeat(starts, np.diff(starts, append=n))
    away = np.diff(time, prepend=time[:1])
    arrived = (before == 0) | (away > ARRIVAL_SECONDS)

    newest = _newest(time, np.ones(n, np.bool_))
    arrivals = _newest(time, arrived)
    known = _newest(time, arrived & (before > 0))
    item = interactions.item[order][newest]
    unknown = time[newest] - _first_times(interactions)[item] < _not_yet_learnt(time)
    market = interactions.market[order][newest]
    return {
        "customers": _counted((before[arrivals] > 0).astype(np.int64), ("new", "known")),
        "history_length": _counted(np.digitize(np.minimum(before[known], MAX_INTERACTIONS), LENGTHS), LENGTH_PARTS),
        "days_away": _counted(np.digitize(away[known] // DAY_SECONDS, DAYS), DAY_PARTS),
        "last_kind": _counted(kind[known - 1], KIND_PARTS),
        "markets": _counted(market + 1, (NO_MARKET, *interactions.markets)),
        "unknown_items": _counted(unknown.astype(np.int8), ("known", "unknown")),
        "item_popularity": _counted(tenth[item], TENTH_PARTS),
    }


def _newest(time: Longs, chosen: npt.NDArray[np.bool_]) -> Longs:
    """Positions of the newest of the ``chosen``: the latest tenth of them, or LEAST_REPLAYED where that is more."""
    places = np.flatnonzero(chosen)
    kept = max(int(len(places) * LATEST_SHARE), LEAST_REPLAYED)
    return np.sort(places[np.argsort(time[places], kind="stable")[-kept:]])


def _first_times(interactions: Interactions) -> Longs:
    first = np.full(interactions.n_items, np.iinfo(np.int64).max)
    np.minimum.at(first, interactions.item, interactions.time)
    return first


def _not_yet_learnt(time: Longs) -> float:
    """Seconds until the next training knows an item."""
    return min(DAY_SECONDS, LATEST_SHARE * float(time.max() - time.min()))


def _counted(codes: npt.NDArray[np.integer], parts: Sequence[str]) -> dict[str, int]:
    return {parts[code]: count for code, count in sorted(Counter(codes.tolist()).items())}
