"""Compiled helpers that several candidate models share: adding votes up and taking the best.

``compiled`` is numba's decorator with our settings, typed so that a checker still sees the function's own types. The
compiled code is kept on disk (``NUMBA_CACHE_DIR``, else beside the source), so that only the first start pays for it.
``reordered`` lets sums of floats be added up in any order besides, which is what wide registers need; their last digits
then depend on the processor.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from training.interactions import Floats, Ints

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
def summed(items: Ints, values: Floats, without: int, n: int) -> tuple[Ints, Floats]:
    """Values added up by item: the ``n`` best that are above 0, best first, equal ones by item number.

    ``without`` is an item to leave out, or -1.
    """
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
def best(items: Ints, values: Floats, n: int) -> tuple[Ints, Floats]:
    """The ``n`` items with the highest values above 0, best first, equal ones by item number."""
    bar = np.partition(values, len(items) - n)[len(items) - n] if 0 < n < len(items) else np.float32(0.0)
    chosen = (values >= bar) & (values > 0)
    items, values = items[chosen], values[chosen]
    by_item = np.argsort(items)
    items, values = items[by_item], values[by_item]
    order = np.argsort(-values, kind="mergesort")[:n]
    return items[order], values[order]
