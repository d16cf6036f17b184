"""The compiled loop that writes what a candidate is to this customer's habits, purse, market and hour.

The columns stand in the order of OF_PRICE, OF_MOMENT and OF_HABIT of ``ranking_features``.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.candidates.compiled import compiled
from training.interactions import Codes, Floats, Ints, Longs

N_PRICE: Final = 4
N_MOMENT: Final = 5
N_HABIT: Final = 6
BUY: Final = 4
"""``Kind.BUY`` as compiled code knows it."""
UNKNOWN_GAP: Final = 999.0
"""Days between purchases that never happened."""
DAY: Final = 86_400.0
QUARTER: Final = 21_600
"""Seconds of a quarter of a day."""


@compiled
def habit_rows(  # noqa: PLR0912, PLR0915  # one pass over one row; compiled code in pieces would pass the arrays along
    known: Ints,
    kind: Codes,
    time: Longs,
    in_session: npt.NDArray[np.bool_],
    market: int,
    now: int,
    item: Ints,
    price: Floats,
    published: Longs,
    hour_lift: Floats,
    market_lift: Floats,
) -> Floats:
    """See ``Signals.features``; ``known`` is the history, oldest first."""
    rows = np.zeros((len(item), N_PRICE + N_MOMENT + N_HABIT), np.float32)
    n_known = len(known)
    visiting = False
    orders, first_order, last_order, order = 0, 0, 0, -1
    usual, priced, bought_usual, bought_priced = 0.0, 0, 0.0, 0
    last_price = np.float32(np.nan)
    for at in range(n_known):
        visiting |= in_session[at]
        if kind[at] == BUY and time[at] != order:
            order = time[at]
            if orders == 0:
                first_order = order
            last_order = order
            orders += 1
        cost = price[known[at]]
        if not np.isnan(cost):
            usual += cost
            priced += 1
            last_price = cost
            if kind[at] == BUY:
                bought_usual += cost
                bought_priced += 1
    if priced:
        usual /= priced
    if bought_priced:
        bought_usual /= bought_priced
    idle = 0.0 if visiting or n_known == 0 else np.log1p(max(now - time[-1], 0) / 3600.0)
    since_order = UNKNOWN_GAP if orders == 0 else max(now - last_order, 0) / DAY
    rhythm = UNKNOWN_GAP if orders < 2 else (last_order - first_order) / DAY / (orders - 1)
    quarter = (now // QUARTER) % 4
    for index in range(len(item)):
        candidate, row = item[index], rows[index]
        cost = price[candidate]
        if not np.isnan(cost):
            row[0] = cost
            if not np.isnan(last_price):
                row[1] = cost - last_price
            if priced:
                row[2] = cost - usual
            if bought_priced:
                row[3] = cost - bought_usual
        row[4] = hour_lift[candidate, quarter]
        row[5] = market_lift[market, candidate] if 0 <= market < len(market_lift) else 1.0
        row[6] = idle
        row[7] = np.log1p(max(now - published[candidate], 0) / DAY) if published[candidate] > 0 else -1.0
        row[8] = quarter
        times, first, last = 0, 0, 0
        for at in range(n_known):
            if known[at] == candidate and kind[at] == BUY and (times == 0 or time[at] != last):
                last = time[at]
                if times == 0:
                    first = last
                times += 1
        row[9] = times
        row[10] = max(now - last, 0) / DAY if times else UNKNOWN_GAP
        gap = (last - first) / DAY / (times - 1) if times > 1 else UNKNOWN_GAP
        row[11] = gap
        row[12] = row[10] / max(gap, np.float32(1.0)) if times > 1 else -1.0
        row[13] = times / orders if orders else 0.0
        row[14] = since_order / max(rhythm, 1.0) if orders > 1 else -1.0
    return rows
