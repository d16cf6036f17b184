"""What is still known of a customer's past when a question comes: the newest interactions, and older purchases.

Online features keep the newest interactions one by one (``user_activity``) and sum up what was bought before
(``user_profile``: items, in how many orders, when last). Serving puts the two together with ``older_purchases``;
``Past`` tells the same of any moment of the past, so that rankers are taught and compared on what they will be asked.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np

from feature_repo.activity import MAX_INTERACTIONS, Kind
from training.folds import VISIT_GAP
from training.interactions import Codes, History, Interactions, Ints, Longs

MAX_BOUGHT: Final = 100
"""As many bought items as ``user_profile`` keeps, the latest bought first."""

Item = TypeVar("Item", str, int)


class Known(NamedTuple):
    """Rows of one customer, oldest first: ``item`` int32 [m], ``kind`` int8 [m], ``time`` int64 [m], seconds."""

    item: Ints
    kind: Codes
    time: Longs


@dataclass(frozen=True, slots=True)
class Past:
    """What online features knew of each customer at each moment.

    ``order`` int64 [n]: the rows of ``interactions`` by customer and time; those of customer u are
    ``order[start[u]:start[u + 1]]``.
    """

    interactions: Interactions
    order: Longs
    start: Longs

    @classmethod
    def of(cls, interactions: Interactions) -> Self:
        order = np.lexsort((interactions.time, interactions.user))
        return cls(interactions, order, np.searchsorted(interactions.user[order], np.arange(interactions.n_users + 1)))

    def at(self, user: int, now: int, market: int) -> History:
        """The history of a question of a customer in ``market`` at ``now``, seconds since 1970; empty where there is
        none.

        Nothing of that second or later is in it, whichever of several visits at once it belongs to: what a customer
        does within one second, as the lines of an order, is known together. The current visit reaches back to the last
        pause of half an hour, as in ``serving/context.py``.
        """
        rows = self.order[self.start[user] : self.start[user + 1]]
        rows = rows[: np.searchsorted(self.interactions.time[rows], now)]
        item, kind, time = remembered(
            self.interactions.item[rows], self.interactions.kind[rows], self.interactions.time[rows]
        )
        in_session = np.zeros(len(item), np.bool_)
        recent = slice(-MAX_INTERACTIONS, None)
        pauses = np.diff(np.append(time[recent], now))
        in_session[recent] = np.logical_and.accumulate(pauses[::-1] <= VISIT_GAP)[::-1]
        return History(item, kind, time, in_session, market, now)


def older_purchases(
    bought: Iterable[tuple[Item, int, int]], recent: Sequence[tuple[Item, int, int]]
) -> list[tuple[Item, int]]:
    """Purchases that the newest interactions no longer hold: (item, time), oldest first.

    ``bought``: item, in how many orders, time of the last one. ``recent``: item, kind, time, oldest first. An item's
    orders before the last are summed up without their times: they are put at the latest of the customer's known
    orders in which the item may have been, so that nobody is given more orders than they made.
    """
    held: defaultdict[Item, set[int]] = defaultdict(set)
    orders = set()
    for item, kind, time in recent:
        if kind == Kind.BUY:
            held[item].add(time)
            orders.add(time)
    sums = list(bought)
    known = sorted(orders.union(last for _, _, last in sums))
    older: list[tuple[Item, int]] = []
    for item, count, last in sums:
        times = held.get(item, set())
        missing = count - sum(time <= last for time in times)
        if missing > 0:
            # The newest interactions hold everything since the first of them: what is missing lies before.
            until = min(last, recent[0][2]) if times else last
            free = (time for time in reversed(known[: bisect_right(known, until)]) if time not in times)
            older += [(item, time) for time, _ in zip(free, range(missing), strict=False)]
    return sorted(older, key=lambda row: row[1])


def summed_up(bought: Iterable[tuple[Item, int]]) -> list[tuple[Item, int, int]]:
    """Purchases, each an item and its time, as ``user_profile`` keeps them: item, in how many orders, time of the last.

    What was given back is not known here.
    """
    times: defaultdict[Item, set[int]] = defaultdict(set)
    for item, when in bought:
        times[item].add(when)
    latest = sorted(times, key=lambda item: (-max(times[item]), item))[:MAX_BOUGHT]
    return [(item, len(times[item]), max(times[item])) for item in latest]


def remembered(item: Ints, kind: Codes, time: Longs) -> Known:
    """What online features would tell of a customer who did all this, oldest first, up to now."""
    recent = slice(-MAX_INTERACTIONS, None)
    rows = list(zip(item[recent].tolist(), kind[recent].tolist(), time[recent].tolist(), strict=True))
    if len(item) == len(rows):
        return Known(item, kind, time)
    bought = kind == Kind.BUY
    older = older_purchases(summed_up(zip(item[bought].tolist(), time[bought].tolist(), strict=True)), rows)
    items, times = zip(*older, strict=True) if older else ((), ())
    merged_time = np.concatenate([np.array(times, np.int64), time[recent]])
    order = np.argsort(merged_time, kind="stable")
    return Known(
        np.concatenate([np.array(items, np.int32), item[recent]])[order],
        np.concatenate([np.full(len(older), Kind.BUY, np.int8), kind[recent]])[order],
        merged_time[order],
    )
