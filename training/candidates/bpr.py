"""BPR: taste as a vector, learnt so that what a customer chose scores above what they did not.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR, Bayesian Personalized Ranking from Implicit Feedback (UAI 2009),
fitted by ``implicit`` on one thread, for several would race and differ from run to run. It asks who chose what, not how
strongly.

BPR learns a vector for every customer too, but none is stored: somebody new has none, and yesterday's knows nothing of
today's clicks. A customer is folded in by ridge regression on the items' vectors, with those of the history as ones and
all others as faint noughts, as ALS does. That is not the vector that BPR itself would have learnt.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from training.candidates.als import preferences
from training.candidates.taste import TasteModel
from training.interactions import Floats, Interactions, Ints


@dataclass(frozen=True, slots=True)
class BprSettings:
    factors: Annotated[int, Field(ge=1)] = 64
    iterations: Annotated[int, Field(ge=1)] = 100
    learning_rate: Annotated[float, Field(gt=0)] = 0.03
    regularization: Annotated[float, Field(ge=0)] = 0.01
    alpha: Annotated[float, Field(gt=0)] = 40.0
    """Fold-in: confidence in an item seen once; what was never touched has confidence 1. Kinds multiply it."""
    ridge: Annotated[float, Field(gt=0)] = 20.0
    """Fold-in: weight of the customer's vector being short."""


class Bpr(TasteModel):
    """``factors`` float32 [items, f + 1], the last column how much everybody likes the item; ``gram`` float32
    [f + 1, f + 1]: factors' factors plus the fold-in's ridge."""

    __slots__ = ()
    name: ClassVar[str] = "bpr"
    defaults: ClassVar[BprSettings] = BprSettings()

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: BprSettings | None = None) -> Self:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        settings = settings or cls.defaults
        model = BayesianPersonalizedRanking(
            factors=settings.factors,
            learning_rate=settings.learning_rate,
            regularization=settings.regularization,
            iterations=settings.iterations,
            num_threads=1,
            random_state=seed,
        )
        model.fit(preferences(interactions), show_progress=False)
        factors = np.ascontiguousarray(model.item_factors, dtype=np.float32)
        gram = factors.T @ factors + settings.ridge * np.eye(factors.shape[1], dtype=np.float32)
        return cls(factors, gram.astype(np.float32), settings)

    def contributions(self, item: Ints, weight: Floats) -> Floats:
        """What each item of the history adds to the customer's vector, float32 [d, f + 1]; the vector is their sum,
        the solution of (Y'Y + extra confidence of the history's items + ridge) t = Y' confidence."""
        y, confidence = self.factors[item], weight * np.float32(self.settings.alpha)
        normal = self.gram + (y.T * (confidence - 1.0)) @ y
        return np.asarray(np.linalg.solve(normal, (y * confidence[:, None]).T).T, dtype=np.float32)
