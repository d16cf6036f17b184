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
| markets         | market of the question                                 | customers who arrive  |
| unknown_items   | whether the model knows the newest item                | answers with an item  |
| item_popularity | tenth of the model's items that the newest item is in  | answers with an item  |

A question that names no customer counts as somebody who arrives, for its market alone.
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
LEAST_REPLAYED: Final = 2_000
"""Fewer than these are not a distribution worth comparing with, so small shops replay more than the latest share."""
TENTHS: Final = 10

LENGTHS: Final = (2, 3, 5, 10, 20, MAX_INTERACTIONS)
LENGTH_PARTS: Final = ("1", "2", "3-4", "5-9", "10-19", "20-49", "50")
DAYS: Final = (1, 3, 7, 14, 28, 60, 120)
DAY_PARTS: Final = ("0", "1-2", "3-6", "7-13", "14-27", "28-59", "60-119", "120+")
KIND_PARTS: Final = ("", *(kind.name.lower() for kind in Kind))
"""By Kind's number."""
TENTH_PARTS: Final = (*(f"{number}. tenth" for number in range(1, TENTHS + 1)), "without interactions")
NO_MARKET: Final = "(none)"


def replayed_traffic(interactions: Interactions) -> Traffic:
    """What answers would have been made from at the newest interactions.

    Customers are those who arrived last. Items are asked of a model that was trained right before: it knows the items,
    and their tenths, of what came earlier. With the interactions themselves among what it learnt, rare items would
    look less rare than the next ones will.
    """
    order = np.lexsort((interactions.time, interactions.user))
    user, time, kind = interactions.user[order], interactions.time[order], interactions.kind[order]
    n = len(user)
    starts = np.flatnonzero(np.diff(user, prepend=-1) != 0)
    before = np.arange(n) - np.repeat(starts, np.diff(starts, append=n))
    away = np.diff(time, prepend=time[:1])
    arrived = (before == 0) | (away > ARRIVAL_SECONDS)
    arrivals, known = _newest(time, arrived), _newest(time, arrived & (before > 0))
    return {
        "customers": _counted((before[arrivals] > 0).astype(np.int64), ("new", "known")),
        "history_length": _counted(np.digitize(np.minimum(before[known], MAX_INTERACTIONS), LENGTHS), LENGTH_PARTS),
        "days_away": _counted(np.digitize(away[known] // DAY_SECONDS, DAYS), DAY_PARTS),
        "last_kind": _counted(kind[known - 1], KIND_PARTS),
        "markets": _counted(interactions.market[order][arrivals] + 1, (NO_MARKET, *interactions.markets)),
        **_items(interactions),
    }


def _items(interactions: Interactions) -> Traffic:
    """The newest items as a model saw them that was trained a day before the end, or more where they are few."""
    time = interactions.time
    least = np.sort(time)[-min(LEAST_REPLAYED, len(time))]
    asked = time >= min(least, time.max() - DAY_SECONDS)
    counts = np.bincount(interactions.item[~asked], minlength=interactions.n_items).astype(np.int64)
    item = interactions.item[asked]
    unknown = counts[item] == 0
    if asked.all():
        return {}
    return {
        "unknown_items": _counted(unknown.astype(np.int8), ("known", "unknown")),
        "item_popularity": _counted(popularity_tenths(counts)[item[~unknown]], TENTH_PARTS),
    }


def popularity_tenths(counts: Longs) -> Longs:
    """The tenth of the items with interactions, from 0 for the most popular, that each item is in; TENTHS for items
    without any: however many products the catalogue adds, the tenths of what customers touch stay what they are."""
    tenth = np.full(len(counts), TENTHS, np.int64)
    touched = int((counts > 0).sum())
    tenth[np.argsort(-counts, kind="stable")[:touched]] = np.arange(touched) * TENTHS // max(touched, 1)
    return tenth


def _newest(time: Longs, chosen: npt.NDArray[np.bool_]) -> Longs:
    """Positions of the newest of the ``chosen``: the latest tenth of them, or LEAST_REPLAYED where that is more."""
    places = np.flatnonzero(chosen)
    kept = max(int(len(places) * LATEST_SHARE), LEAST_REPLAYED)
    return np.sort(places[np.argsort(time[places], kind="stable")[-kept:]])


def _counted(codes: npt.NDArray[np.integer], parts: Sequence[str]) -> dict[str, int]:
    return {parts[code]: count for code, count in sorted(Counter(codes.tolist()).items())}
