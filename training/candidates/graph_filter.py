"""Graph filter: items that the same customers cared for, in closed form.

GF-CF (Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021) shows that graph networks for
recommendation filter the customer-item graph, and that a linear filter, the normalised item-item gram, does as well
without any training. The powers of the two degrees are settings, as in Turbo-CF (Park et al., SIGIR 2024). A few
directions, popularity first, then make up most of the gram. GF-CF strengthens them, which helps where customers have
done little; sharpening (BSPM, Choi et al., SIGIR 2023) and ridge regression (EASE, Steck, WWW 2019) weaken them, which
helps where they have done much. Here the leading eigenvalues are raised to a power, ``docs/decisions/0012-…`` says how
it was chosen. Each item keeps its strongest neighbours only, so that an answer costs no more than the history is long.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Final, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from pydantic import Field

from training.candidates.als import preferences
from training.candidates.interest import strongest
from training.candidates.neighbours import ItemItemModel, Known, Neighbours
from training.interactions import Floats, History, Interactions, Ints

Matrix: TypeAlias = "sp.csr_matrix[np.float32]"

BLOCK: Final = 512
"""Items whose neighbours are counted at once; it bounds the memory of fitting, not the result."""
LARGEST_DENSE: Final = 60_000
"""With leading directions changed every pair of items has a score; a larger catalogue keeps the linear filter."""


@dataclass(frozen=True, slots=True)
class GraphFilterSettings:
    user_power: Annotated[float, Field(ge=0)] = 0.25
    item_power: Annotated[float, Field(ge=0)] = 0.3
    """A customer and an item count by their summed interest to minus this power; GF-CF has one half for both."""
    factors: Annotated[int, Field(ge=0)] = 128
    """Leading directions of the gram whose strength is changed, at most; 0 leaves the linear filter as it is."""
    least_share: Annotated[float, Field(gt=0, le=1)] = 0.12
    """Only directions count as leading whose eigenvalue is above this share of the largest."""
    power: Annotated[float, Field(ge=0)] = 0.25
    """Power to which their eigenvalues are raised, in units of the least that counts: 1 changes nothing."""
    neighbours: Annotated[int, Field(ge=1)] = 400
    half_life_days: Annotated[float, Field(ge=0)] = 0.0
    """Age after which an interaction of the history counts half; 0 for never."""


class GraphFilter(ItemItemModel):
    __slots__ = ()
    name: ClassVar[str] = "graph_filter"
    defaults: ClassVar[GraphFilterSettings] = GraphFilterSettings()

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: GraphFilterSettings | None = None) -> Self:
        settings = settings or cls.defaults
        preference = preferences(interactions)
        linear = normalised(preference, settings.user_power, settings.item_power)
        transposed = linear.T.tocsr()
        change = _change(linear, settings, seed)
        rows = []
        for first in range(0, interactions.n_items, BLOCK):
            block = (transposed[first : first + BLOCK] @ linear).tocsr()
            if change is None:
                pieces = (slice(*ends) for ends in pairwise(block.indptr))
                rows += [_strongest(block.indices[at], block.data[at], settings.neighbours) for at in pieces]
            else:
                every = np.arange(interactions.n_items, dtype=np.int32)
                scores = block.toarray() + change.left[first : first + BLOCK] @ change.right
                rows += [_strongest(every, weight, settings.neighbours) for weight in scores]
        return cls(Neighbours.of(rows), settings)

    def known(self, history: History) -> Known:
        return strongest(history, self.settings.half_life_days)


class _Change(NamedTuple):
    """``left`` float32 [items, f] times ``right`` float32 [f, items] is added to the linear filter."""

    left: Floats
    right: Floats


def _change(linear: Matrix, settings: GraphFilterSettings, seed: int) -> _Change | None:
    from sklearn.utils.extmath import randomized_svd

    factors = min(settings.factors, min(linear.shape) - 1)
    if factors < 1 or settings.power == 1 or linear.shape[1] > LARGEST_DENSE:
        return None
    _, singular, vectors = randomized_svd(linear, factors, n_iter=4, random_state=seed)
    strength = np.square(singular)
    least = max(strength[-1], settings.least_share * strength[0], np.finfo(np.float32).tiny)
    vectors, strength = vectors[strength > least], strength[strength > least]
    added = least * (strength / least) ** settings.power - strength
    return _Change(np.asarray(vectors.T * added, np.float32), np.asarray(vectors, np.float32))


def normalised(preference: Matrix, user_power: float, item_power: float) -> Matrix:
    """Customers by items, each entry divided by the powers of both degrees."""
    by_user = power(preference.sum(axis=1), -user_power)
    by_item = power(preference.sum(axis=0), -item_power)
    return sp.csr_matrix(sp.diags(by_user) @ preference @ sp.diags(by_item), dtype=np.float32)


def power(degree: npt.ArrayLike, power: float) -> Floats:
    return np.asarray(np.maximum(np.asarray(degree).ravel(), 1.0) ** power, dtype=np.float32)


def _strongest(item: Ints, weight: Floats, n: int) -> tuple[Ints, Floats]:
    """The ``n`` heaviest above zero, by item number."""
    if len(item) > n:
        kept = np.argpartition(weight, -n)[-n:]
        item, weight = item[kept], weight[kept]
    order = np.argsort(item)
    order = order[weight[order] > 0]
    return item[order].astype(np.int32), weight[order].astype(np.float32)
