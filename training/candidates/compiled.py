"""Compiled helpers that several candidate models share: rows of neighbours, adding votes up, taking the best.

``compiled`` is numba's decorator with our settings, typed so that a checker still sees the function's own types. The
compiled code is kept on disk (``NUMBA_CACHE_DIR``, else beside the source), so that only the first start pays for it.
``reordered`` lets sums of floats be added up in any order besides, which is what wide registers need; their last digits
then depend on the processor.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from training.interactions import Floats, Ints, Longs

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

    def compiled(function: F) -> F: ...
    def reordered(function: F) -> F: ...
else:
    import numba

    compiled = numba.njit(cache=True, nogil=True)
    reordered = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})


FEW_VOTES: Final = 16
"""Where a catalogue has more than this many items for each vote, votes are added up in a hash table."""
COLUMNS: Final = 4
"""Columns for each of the best wanted: with more the bar is higher, with fewer it is found sooner."""


@compiled
def add_up(
    asked: Ints, ask_weight: Floats, start: Longs, target: Ints, weight: Floats, without: int, n: int
) -> tuple[Ints, Floats]:
    """The ``n`` targets but ``without`` with the most weight over all asked rows, equal ones by item number.

    Row i of the table is ``start[i]`` to ``start[i + 1]`` of ``target`` and ``weight``; -1 leaves no target out.
    """
    size = 0
    for item in asked:
        size += start[item + 1] - start[item]
    items = np.empty(size, np.int32)
    values = np.empty(size, np.float32)
    filled = 0
    for index in range(len(asked)):
        for at in range(start[asked[index]], start[asked[index] + 1]):
            items[filled] = target[at]
            values[filled] = weight[at] * ask_weight[index]
            filled += 1
    return summed(items, values, without, len(start) - 1, n)


@compiled
def strongest_rows(
    asked: Ints, ask_weight: Floats, start: Longs, target: Ints, weight: Floats, items: Ints
) -> npt.NDArray[np.int64]:
    """For each of ``items``, all different, the index of the asked row that holds most weight for it, or -1."""
    keys = np.zeros(table_size(len(items)), np.int32)
    place = np.empty(len(keys), np.int64)
    for index in range(len(items)):
        slot = slot_of(keys, items[index])
        keys[slot], place[slot] = items[index] + 1, index
    strongest = np.full(len(items), -1, np.int64)
    most = np.zeros(len(items), np.float32)
    for row in range(len(asked)):
        for at in range(start[asked[row]], start[asked[row] + 1]):
            slot = slot_of(keys, target[at])
            if keys[slot] != 0 and weight[at] * ask_weight[row] > most[place[slot]]:
                strongest[place[slot]], most[place[slot]] = row, weight[at] * ask_weight[row]
    return strongest


@compiled
def table_size(n: int) -> int:
    """A power of two with room for ``n`` keys at a load of at most one half."""
    size = 16
    while size < 2 * n:
        size *= 2
    return size


@compiled
def slot_of(keys: Ints, key: int) -> int:
    """Where ``key`` is, or belongs, in a hash table of key + 1 with 0 for free."""
    mask = len(keys) - 1
    slot = (key * 2654435769) & mask
    while keys[slot] not in (0, key + 1):
        slot = (slot + 1) & mask
    return slot


@compiled
def summed(items: Ints, values: Floats, without: int, n_items: int, n: int) -> tuple[Ints, Floats]:
    """Values added up by item: the ``n`` best of ``n_items`` that are above 0, best first, equal ones by item number.

    ``without`` is an item to leave out, or -1. Cost follows the number of values, not of items.
    """
    if n_items <= FEW_VOTES * len(items):
        every = np.zeros(n_items, np.float32)
        for index in range(len(items)):
            every[items[index]] += values[index]
        if without >= 0:
            every[without] = 0.0
        return highest(every, n)
    keys = np.zeros(table_size(len(items)), np.int32)
    place = np.empty(len(keys), np.int32)
    found = np.empty(len(items), np.int32)
    total = np.empty(len(items), np.float32)
    n_found = 0
    for index in range(len(items)):
        if items[index] == without:
            continue
        slot = slot_of(keys, items[index])
        if keys[slot] == 0:
            keys[slot] = items[index] + 1
            place[slot] = n_found
            found[n_found] = items[index]
            total[n_found] = 0.0
            n_found += 1
        total[place[slot]] += values[index]
    return best(found[:n_found], total[:n_found], n)


@compiled
def highest(values: Floats, n: int) -> tuple[Ints, Floats]:
    """The ``n`` items with the highest of ``values`` [items] above 0, best first, equal ones by number."""
    least = bar(values, n)
    items = np.empty(len(values), np.int32)
    n_found = 0
    for item in range(len(values)):
        if values[item] >= least and values[item] > 0:
            items[n_found] = item
            n_found += 1
    return best(items[:n_found], values[items[:n_found]], n)


@compiled
def bar(values: Floats, n: int) -> np.float32:
    """A number that the ``n`` highest of the values reach and few others do; 0 where there are too few values.

    The values are laid out in rows below each other: the n-th highest of the columns' maxima is reached by n values.
    """
    columns = values[: COLUMNS * n].copy()
    if not 0 < n < len(columns):
        return np.float32(0.0)
    for first in range(len(columns), len(values), len(columns)):
        row = values[first : first + len(columns)]
        for column in range(len(row)):
            columns[column] = max(columns[column], row[column])
    least: np.float32 = np.partition(columns, len(columns) - n)[len(columns) - n]
    return least


@compiled
def best(items: Ints, values: Floats, n: int) -> tuple[Ints, Floats]:
    """The ``n`` items with the highest values above 0, best first, equal ones by item number."""
    least = np.partition(values, len(items) - n)[len(items) - n] if 0 < n < len(items) else np.float32(0.0)
    chosen = (values >= least) & (values > 0)
    items, values = items[chosen], values[chosen]
    if np.any(items[1:] < items[:-1]):
        by_item = np.argsort(items)
        items, values = items[by_item], values[by_item]
    order = np.argsort(-values, kind="mergesort")[:n]
    return items[order], values[order]
