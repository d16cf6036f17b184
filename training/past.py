"""What is still known of a customer's past when a question comes: the newest interactions, and older purchases.

Online features keep the newest interactions one by one (``user_activity``) and sum up what was bought before
(``user_profile``: items, in how many orders, when last). Serving and the hold-outs put the two together with
``older_purchases``, so that models are compared on what they will be asked.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeVar

import numpy as np

from feature_repo.activity import MAX_INTERACTIONS, Kind
from training.interactions import Codes, Ints, Longs

MAX_BOUGHT: Final = 100
"""As many bought items as ``user_profile`` keeps, the latest bought first."""

Item = TypeVar("Item", str, int)


class Known(NamedTuple):
    """Rows of one customer, oldest first: ``item`` int32 [m], ``kind`` int8 [m], ``time`` int64 [m], seconds."""

    item: Ints
    kind: Codes
    time: Longs


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
