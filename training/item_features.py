"""What items are, as sparse vectors whose inner products say how alike two of them are, touched by anybody or not.

Each field has a block of its own, of length one for an item that has it, times the root of the field's weight, so that
a product of two items is the weighted sum of their likeness in each field. Names are compared by runs of letters and
not by words: these bear plurals, compounds and languages that nobody told us of.
"""

from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from training.interactions import Floats, Interactions, Ints

Matrix: TypeAlias = "sp.csr_matrix[np.float32]"

LETTERS: Final = 4
"""Length of the runs of letters; with 3 to 5 the measured accuracy is the same."""
MOST_RUNS: Final = 50_000
"""Different runs kept, the most frequent ones: an answer sums over as many numbers."""
PRICE_STEP: Final = float(np.log(1.5))
"""Two prices this far apart, half as much again, have nothing in common."""


@dataclass(frozen=True, slots=True)
class FieldWeights:
    """How much each field counts; 0 leaves it out."""

    name: Annotated[float, Field(ge=0)] = 1.0
    category: Annotated[float, Field(ge=0)] = 0.8
    parent: Annotated[float, Field(ge=0)] = 0.2
    brand: Annotated[float, Field(ge=0)] = 0.2
    price: Annotated[float, Field(ge=0)] = 0.01


def item_features(interactions: Interactions, weights: FieldWeights) -> Matrix:
    """Items by features, float32; the row of an item of which nothing is known is empty."""
    blocks: list[tuple[float, Matrix]] = []
    if interactions.content is not None:
        blocks += [
            (weights.name, _runs(interactions.content.name)),
            (weights.brand, _one_of(interactions.content.brand)),
            (weights.price, _near(interactions.content.price)),
        ]
    if interactions.taxonomy is not None:
        blocks += [
            (weights.category, _one_of(interactions.taxonomy.category)),
            (weights.parent, _one_of(interactions.taxonomy.parent)),
        ]
    scaled = [block * np.float32(np.sqrt(weight)) for weight, block in blocks if weight > 0]
    return sp.csr_matrix(sp.hstack([_nothing(interactions.n_items), *scaled]), dtype=np.float32)


def _nothing(n: int) -> Matrix:
    return sp.csr_matrix(np.zeros((n, 0), np.float32))


def _runs(names: tuple[str, ...]) -> Matrix:
    """TF-IDF of the runs of letters that at least two names share."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    counted = TfidfVectorizer(
        analyzer="char_wb",
        ngram_range=(LETTERS, LETTERS),
        sublinear_tf=True,
        min_df=2,
        max_features=MOST_RUNS,
        dtype=np.float32,
    )
    try:
        return sp.csr_matrix(counted.fit_transform(names), dtype=np.float32)
    except ValueError:  # no two names share anything
        return _nothing(len(names))


def _one_of(codes: Ints) -> Matrix:
    """A column for each number; none for -1."""
    known = np.flatnonzero(codes >= 0)
    shape = (len(codes), int(codes.max(initial=-1)) + 1)
    return sp.csr_matrix((np.ones(len(known), np.float32), (known, codes[known])), shape=shape)


def _near(price: Floats) -> Matrix:
    """Two neighbouring columns of a scale of ratios, so that near prices share more than far ones."""
    known = np.flatnonzero(price > 0)
    if not len(known):
        return _nothing(len(price))
    place = np.log(price[known].astype(np.float64)) / PRICE_STEP
    place -= np.floor(place.min())
    step = place.astype(np.int64)
    upper = place - step
    length = np.sqrt(upper**2 + (1 - upper) ** 2)
    value: npt.NDArray[np.float64] = np.concatenate([(1 - upper) / length, upper / length])
    column = np.concatenate([step, step + 1])
    shape = (len(price), int(step.max()) + 2)
    return sp.csr_matrix((value.astype(np.float32), (np.tile(known, 2), column)), shape=shape)
