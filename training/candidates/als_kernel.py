"""The compiled inner loops of ALS: the items nearest to a customer's taste, reading a quarter of the factors' bytes.

Every factor is kept a second time, rounded to eight bits, with how far the rounding moved it. The rounded product of
an item then lies within (that distance x the length of the taste) of the true one, by Cauchy and Schwarz. Only items
that this lets into the best are multiplied in full, so the answer is that of multiplying all of them.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from training.candidates.compiled import bar, best, compiled, reordered
from training.interactions import Floats, Ints

STEPS: Final = 127
"""Steps to either side of zero in eight bits."""


class Rounded(NamedTuple):
    """``code`` int8 [items, f] times ``scale`` float32 [items] are the factors, moved by ``error`` float32 [items]."""

    code: npt.NDArray[np.int8]
    scale: Floats
    error: Floats


@compiled
def rounded(factors: Floats) -> tuple[npt.NDArray[np.int8], Floats, Floats]:
    """The fields of ``Rounded`` for factors float32 [items, f]."""
    code = np.empty(factors.shape, np.int8)
    scale = np.empty(len(factors), np.float32)
    error = np.empty(len(factors), np.float32)
    for item in range(len(factors)):
        row = factors[item]
        step = np.float32(max(np.abs(row).max() / STEPS, np.finfo(np.float32).tiny))
        moved = 0.0
        for place in range(len(row)):
            nearest = round(row[place] / step)
            code[item, place] = nearest
            moved += (row[place] - nearest * step) ** 2
        scale[item], error[item] = step, math.sqrt(moved)
    return code, scale, error


@compiled
def nearest(
    factors: Floats, code: npt.NDArray[np.int8], scale: Floats, error: Floats, taste: Floats, n: int
) -> tuple[Ints, Floats]:
    """The ``n`` items with the largest products above 0 with ``taste`` [f], best first, equal ones by number."""
    rough = _rough(code, scale, taste)
    reach = np.float32(math.sqrt(_product(taste, taste))) * error
    # At least n items are worth this much, so whoever can be worth as much may be among the best.
    least = max(bar(rough - reach, n), np.float32(0.0))
    items = np.flatnonzero(rough + reach >= least).astype(np.int32)
    product = np.empty(len(items), np.float32)
    for place in range(len(items)):
        product[place] = _product(factors[items[place]], taste)
    return best(items, product, n)


@reordered
def _rough(code: npt.NDArray[np.int8], scale: Floats, taste: Floats) -> Floats:
    product = np.empty(len(code), np.float32)
    for item in range(len(code)):
        total = np.float32(0.0)
        for place in range(len(taste)):
            total += np.float32(code[item, place]) * taste[place]
        product[item] = total * scale[item]
    return product


@reordered
def _product(one: Floats, other: Floats) -> np.float32:
    total = np.float32(0.0)
    for place in range(len(one)):
        total += one[place] * other[place]
    return total
