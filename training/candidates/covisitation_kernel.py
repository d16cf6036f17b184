"""The compiled inner loop of co-visitation."""

import numpy as np
import numpy.typing as npt

from training.candidates.compiled import compiled
from training.interactions import Floats, Ints

Longs = npt.NDArray[np.int64]


@compiled
def count_pairs(
    user: Ints,
    item: Ints,
    time: Longs,
    weight: Floats,
    discount: Floats,
    by_item: Longs,
    item_start: Longs,
    window: int,
    step_decay: float,
    gap_seconds: float,
    backward: float,
    returns: bool,
    most: int,
) -> tuple[Longs, Ints, Floats]:
    """The strongest ``most`` targets of every item: starts, targets, weights, best first.

    Interactions are ordered by (user, time); ``by_item`` lists them by item, item i's from ``item_start[i]`` on. One
    row is summed at a time, so that memory does not grow with the number of pairs.
    """
    n, n_items = len(item), len(discount)
    start = np.zeros(n_items + 1, np.int64)
    kept_target = np.empty(min(n_items * most, 2 * window * n), np.int32)
    kept_weight = np.empty(len(kept_target), np.float32)
    row = np.zeros(n_items, np.float32)
    touched = np.empty(n_items, np.int32)
    for source in range(n_items):
        n_touched = 0
        for at in by_item[item_start[source] : item_start[source + 1]]:
            for other in range(max(at - window, 0), min(at + window + 1, n)):
                if user[other] != user[at] or other == at or (item[other] == source and not returns):
                    continue
                steps = abs(other - at)
                value = weight[other] * step_decay ** (steps - 1)
                if gap_seconds > 0:
                    value *= np.exp(-abs(time[other] - time[at]) / gap_seconds)
                if other < at:
                    value *= backward
                if row[item[other]] == 0.0:
                    touched[n_touched] = item[other]
                    n_touched += 1
                row[item[other]] += max(value, 1e-12)
        targets = np.sort(touched[:n_touched])
        values = row[targets] * discount[targets]
        row[targets] = 0.0
        best = np.argsort(-values, kind="mergesort")[:most]
        filled = start[source]
        kept_target[filled : filled + len(best)] = targets[best]
        kept_weight[filled : filled + len(best)] = values[best]
        start[source + 1] = filled + len(best)
    return start, kept_target[: start[n_items]].copy(), kept_weight[: start[n_items]].copy()
