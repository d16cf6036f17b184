"""Implicit ALS: taste as a vector, learnt once for items and solved for a customer when the question comes.

Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), fitted by ``implicit``. No
customer is stored: their vector is the solution of the regularised normal equations over their history (fold-in), so
a click changes the next answer. ``implicit``'s own ``recalculate_user`` reads out of bounds for an unknown item and
starts threads, hence the small solve here.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from scipy.linalg.lapack import sgesv

from training.candidates.als_kernel import Rounded, nearest, rounded
from training.candidates.candidate import Candidates
from training.candidates.interest import interest
from training.candidates.taste import TasteModel
from training.interactions import Floats, Interactions, Ints

ITERATIONS_AGAIN: Final = 5
"""As good as all of them where a model begins with its predecessor's factors (``docs/decisions/0019-…``)."""


@dataclass(frozen=True, slots=True)
class AlsSettings:
    factors: Annotated[int, Field(ge=1)] = 128
    iterations: Annotated[int, Field(ge=1)] = 15
    regularization: Annotated[float, Field(gt=0)] = 20.0
    alpha: Annotated[float, Field(gt=0)] = 40.0
    """Confidence in an item seen once; what was never touched has confidence 1. Kinds multiply it."""


@dataclass(frozen=True, slots=True)
class Als(TasteModel):
    """``factors`` float32 [items, f]; ``gram`` float32 [f, f]: factors' factors plus the regularisation, and its
    ``inverse``; ``rounded``: the factors in eight bits, for finding the nearest items."""

    name: ClassVar[str] = "als"
    defaults: ClassVar[AlsSettings] = AlsSettings()

    inverse: Floats
    rounded: Rounded

    @classmethod
    def of(cls, factors: Floats, gram: Floats, settings: AlsSettings) -> Self:
        """The model with what follows from its factors."""
        # The pseudo-inverse, for the factors of a catalogue of a few items may depend on each other.
        inverse = np.linalg.pinv(gram.astype(np.float64), hermitian=True).astype(np.float32)
        return cls(factors, gram, settings, inverse, Rounded(*rounded(factors)))

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: AlsSettings | None = None) -> Self:
        settings = settings or cls.defaults
        return cls._iterated(interactions, None, settings.iterations, seed, settings)

    def refitted(self, interactions: Interactions, place: Ints, seed: int = 0) -> Self:
        """The model of other interactions after a few iterations from these factors.

        Those of new items begin with chance, and so do further ones of all, where a small catalogue has grown.
        """
        random = np.random.default_rng(seed)
        width = _width(self.settings, interactions)
        factors = random.random((len(place), width), np.float32) * np.float32(0.01)
        shared, known = min(width, self.factors.shape[1]), place >= 0
        factors[known, :shared] = self.factors[place[known], :shared]
        iterations = min(ITERATIONS_AGAIN, self.settings.iterations)
        return self._iterated(interactions, factors, iterations, seed, self.settings)

    @classmethod
    def _iterated(
        cls, interactions: Interactions, factors: Floats | None, iterations: int, seed: int, settings: AlsSettings
    ) -> Self:
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        # implicit runs its own threads over rows; BLAS threads below them would only be in the way.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=_width(settings, interactions),
                regularization=settings.regularization,
                alpha=settings.alpha,
                iterations=iterations,
                random_state=seed,
            )
            model.item_factors = factors
            model.fit(preferences(interactions), show_progress=False)
            factors = np.ascontiguousarray(model.item_factors, dtype=np.float32)
            gram = factors.T @ factors + settings.regularization * np.eye(factors.shape[1], dtype=np.float32)
        return cls.of(factors, gram.astype(np.float32), settings)

    def nearest(self, taste: Floats, n: int) -> Candidates:
        return Candidates(*nearest(self.factors, *self.rounded, taste, n))

    def alike(self, items: Ints) -> Floats:
        """How alike the items are to their buyers: the cosines of their factors, float32 [i, i]."""
        factors = self.factors[items]
        product = factors @ factors.T
        length = np.sqrt(np.maximum(product.diagonal(), np.finfo(np.float32).tiny))
        return np.asarray(product / (length[:, None] * length), dtype=np.float32)

    def contributions(self, item: Ints, weight: Floats) -> Floats:
        """What each item of the history adds to the customer's vector, float32 [m, f]: together (Y'CY + λI)⁻¹ Y'Cp.

        With G for the gram, Y for the m factors and E for their confidence beyond 1, the same is C (I + YG⁻¹Y'E)⁻¹ YG⁻¹
        (Woodbury): m equations in place of f, which is less where the history is short.
        """
        confidence = weight * self.settings.alpha
        y, beyond = self.factors[item], confidence - 1.0
        # LAPACK itself: for equations this few, NumPy's own call around it takes as long as solving them.
        if len(item) > len(self.gram):
            solved = sgesv(self.gram + (y.T * beyond) @ y, y.T)[2].T
        else:
            right = y @ self.inverse
            left = (right @ y.T) * beyond
            left.flat[:: len(left) + 1] += 1.0
            solved = sgesv(left, right)[2]
        return np.asarray(solved * confidence[:, None], dtype=np.float32)


def _width(settings: AlsSettings, interactions: Interactions) -> int:
    return min(settings.factors, interactions.n_items)


def preferences(interactions: Interactions) -> "sp.csr_matrix[np.float32]":
    """Users by items, each pair with its strongest interest."""
    weight = interest(interactions.kind)
    order = np.lexsort((weight, interactions.item, interactions.user))
    user, item, weight = interactions.user[order], interactions.item[order], weight[order]
    last = np.r_[(np.diff(user) != 0) | (np.diff(item) != 0), True][: len(user)]
    shape = (interactions.n_users, interactions.n_items)
    return sp.csr_matrix((weight[last], (user[last], item[last])), shape=shape, dtype=np.float32)
