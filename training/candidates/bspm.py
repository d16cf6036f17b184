"""BSPM: a graph filter that first blurs and then sharpens, in closed form.

Choi, Hong, Park, Cho: Blurring-Sharpening Process Models for Collaborative Filtering (SIGIR 2023). Blurring is one step
of the normalised item-item gram P, with a low-pass filter of its leading directions beside it, as in GF-CF. Sharpening
runs the heat equation backwards, x' = -x P over a time T. One Runge-Kutta step of fourth order makes that a polynomial
of z = T P, 1 - z + z²/2 - z³/6 + z⁴/24. All of it is linear, so an item's row says what a touch of it adds to each
other item, and each item keeps the weights furthest from zero.

The defaults are those that its authors publish for Gowalla, where it does as published. On parts of a training file
and on the next orders of a real shop ``graph_filter`` found more (``docs/decisions/0012-…``), so no blend weighs this
model. Fitting passes ten times over all interactions for every 512 items.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import factorial
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from pydantic import Field

from training.candidates.als import preferences
from training.candidates.graph_filter import BLOCK, LARGEST_DENSE, Matrix, normalised, power
from training.candidates.neighbours import ItemItemModel, Neighbours, furthest
from training.interactions import Floats, Interactions, Ints

ORDER: Final = 4
"""Of the Runge-Kutta step, and of the polynomial that it is."""


@dataclass(frozen=True, slots=True)
class BspmSettings:
    factors: Annotated[int, Field(ge=0)] = 448
    """Leading directions of the low-pass filter."""
    low_pass: Annotated[float, Field(ge=0)] = 0.2
    """Its weight beside the blurring."""
    sharpening: Annotated[float, Field(ge=0)] = 2.5
    """How long the heat equation runs backwards; 0 leaves what is blurred."""
    neighbours: Annotated[int, Field(ge=1)] = 800
    """Weights kept for each item, the furthest from zero."""


class Bspm(ItemItemModel):
    """A catalogue of more than 60,000 items is not learnt, and nothing is proposed."""

    __slots__ = ()
    name: ClassVar[str] = "bspm"
    defaults: ClassVar[BspmSettings] = BspmSettings()

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: BspmSettings | None = None) -> Self:
        settings = settings or cls.defaults
        nothing = np.empty(0, np.int32), np.empty(0, np.float32)
        if interactions.n_items > LARGEST_DENSE:
            return cls(Neighbours.of([nothing] * interactions.n_items), settings)
        rows: list[tuple[Ints, Floats]] = []
        for block in _filtered(preferences(interactions), settings, seed):
            for row in block:
                kept = furthest(row, settings.neighbours)
                rows.append((kept.astype(np.int32), row[kept]))
        return cls(Neighbours.of(rows), settings)


def _filtered(preference: Matrix, settings: BspmSettings, seed: int) -> Iterator[Floats]:
    """The filter's rows, a block of items at a time: float32 [block, items]."""
    from sklearn.utils.extmath import randomized_svd

    linear = normalised(preference, 0.5, 0.5)
    back = linear.T.tocsr()
    factors = min(settings.factors, min(linear.shape) - 1) if settings.low_pass > 0 else 0
    degree = preference.sum(axis=0)
    left = right = np.zeros((linear.shape[1], 0), np.float32)
    if factors > 0:
        _, _, vectors = randomized_svd(linear, factors, n_iter=4, random_state=seed)
        left = settings.low_pass * vectors.T * power(degree, -0.5)[:, None]
        right = vectors.T * power(degree, 0.5)[:, None]
    for first in range(0, linear.shape[1], BLOCK):
        items = slice(first, first + BLOCK)
        # Columns, for a sparse matrix meets dense columns without a copy; the gram is its own transpose.
        blurred = (back @ linear[:, items]).toarray() + right @ left[items].T
        yield _sharpened(np.asarray(blurred, np.float32), linear, back, settings.sharpening).T


def _sharpened(blurred: Floats, linear: Matrix, back: Matrix, time: float) -> Floats:
    """The columns of ``blurred`` [items, block] after ``time`` of the heat equation backwards."""
    sharp, term = blurred, blurred
    for order in range(1, ORDER + 1 if time else 1):
        term = back @ (linear @ term)
        sharp = sharp + np.float32((-time) ** order / factorial(order)) * term
    return np.asarray(sharp, np.float32)
