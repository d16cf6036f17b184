"""Implicit ALS: taste as a vector, learnt once for items and solved for a customer when the question comes.

Hu, Koren, Volinsky: Collaborative Filtering for Implicit Feedback Datasets (ICDM 2008), fitted by ``implicit``. No
customer is stored: their vector is the solution of the regularised normal equations over their history (fold-in), so
a click changes the next answer. ``implicit``'s own ``recalculate_user`` reads out of bounds for an unknown item and
starts threads, hence the small solve here.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import scipy.sparse as sp
from pydantic import Field
from scipy.linalg.lapack import sgesv

from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.als_kernel import Rounded, nearest, rounded
from training.candidates.candidate import NONE, Candidates
from training.candidates.interest import interest, strongest
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints


@dataclass(frozen=True, slots=True)
class AlsSettings:
    factors: Annotated[int, Field(ge=1)] = 128
    iterations: Annotated[int, Field(ge=1)] = 15
    regularization: Annotated[float, Field(gt=0)] = 20.0
    alpha: Annotated[float, Field(gt=0)] = 40.0
    """Confidence in an item seen once; what was never touched has confidence 1. Kinds multiply it."""


@dataclass(frozen=True, slots=True)
class Als:
    """``factors`` float32 [items, f]; ``gram`` float32 [f, f]: factors' factors plus the regularisation, and its
    ``inverse``; ``rounded``: the factors in eight bits, for finding the nearest items."""

    name: ClassVar[str] = "als"
    defaults: ClassVar[AlsSettings] = AlsSettings()

    factors: Floats
    gram: Floats
    settings: AlsSettings
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
        from implicit.cpu.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        settings = settings or cls.defaults
        # implicit runs its own threads over rows; BLAS threads below them would only be in the way.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(
                factors=min(settings.factors, interactions.n_items),
                regularization=settings.regularization,
                alpha=settings.alpha,
                iterations=settings.iterations,
                random_state=seed,
            )
            model.fit(preferences(interactions), show_progress=False)
            factors = np.ascontiguousarray(model.item_factors, dtype=np.float32)
            gram = factors.T @ factors + settings.regularization * np.eye(factors.shape[1], dtype=np.float32)
        return cls.of(factors, gram.astype(np.float32), settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The items nearest to the customer's taste; nothing when no item of the history is known."""
        item, weight = strongest(history)
        if n < 1 or not len(item):
            return NONE
        taste = self._contributions(item, weight).sum(axis=0)
        return Candidates(*nearest(self.factors, *self.rounded, taste, n))

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        tastes = np.zeros((len(histories), self.factors.shape[1]), np.float32)
        for row, history in enumerate(histories):
            item, weight = strongest(history)
            if len(item):
                tastes[row] = self._contributions(item, weight).sum(axis=0)
        return [top(scores, n) for scores in tastes @ self.factors.T]

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item whose share of the score is largest (Hu et al., section 5)."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one fold-in for all of them."""
        known, weight = strongest(history)
        if not len(known) or np.any((items < 0) | (items >= len(self.factors))):
            return [None] * len(items)
        share = self.factors[items] @ self._contributions(known, weight).T
        newest = {item: position for position, item in enumerate(history.item.tolist())}
        return [
            newest[item] if largest > 0 else None
            for item, largest in zip(known[share.argmax(axis=1)].tolist(), share.max(axis=1).tolist(), strict=True)
        ]

    def alike(self, items: Ints) -> Floats:
        """How alike the items are to their buyers: the cosines of their factors, float32 [i, i]."""
        factors = self.factors[items]
        length = np.linalg.norm(factors, axis=1, keepdims=True)
        unit = factors / np.maximum(length, np.finfo(np.float32).tiny)
        return np.asarray(unit @ unit.T, dtype=np.float32)

    def save(self, folder: Path) -> None:
        write_array(folder, "factors", self.factors)
        write_array(folder, "gram", self.gram)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            settings = AlsSettings(**read_settings(folder))
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls.of(read_array(folder, "factors", np.float32, 2), read_array(folder, "gram", np.float32, 2), settings)

    def _contributions(self, item: Ints, weight: Floats) -> Floats:
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


def preferences(interactions: Interactions) -> "sp.csr_matrix[np.float32]":
    """Users by items, each pair with its strongest interest."""
    weight = interest(interactions.kind)
    order = np.lexsort((weight, interactions.item, interactions.user))
    user, item, weight = interactions.user[order], interactions.item[order], weight[order]
    last = np.r_[(np.diff(user) != 0) | (np.diff(item) != 0), True][: len(user)]
    shape = (interactions.n_users, interactions.n_items)
    return sp.csr_matrix((weight[last], (user[last], item[last])), shape=shape, dtype=np.float32)
