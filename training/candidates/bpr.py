"""BPR: taste as a vector, learnt so that what a customer chose scores above what they did not.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme: BPR, Bayesian Personalized Ranking from Implicit Feedback (UAI 2009),
fitted by ``implicit`` on one thread, for several would race and differ from run to run. It asks who chose what, not how
strongly.

BPR learns a vector for every customer too, but none is stored: somebody new has none, and yesterday's knows nothing of
today's clicks. A customer is folded in by ridge regression on the items' vectors, with those of the history as ones and
all others as faint noughts, as ALS does. That is not the vector that BPR itself would have learnt.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field

from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.als import preferences
from training.candidates.candidate import NONE, Candidates
from training.candidates.interest import strongest
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints


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


@dataclass(frozen=True, slots=True)
class Bpr:
    """``factors`` float32 [items, f + 1], the last column how much everybody likes the item; ``gram`` float32
    [f + 1, f + 1]: factors' factors plus the fold-in's ridge."""

    name: ClassVar[str] = "bpr"
    defaults: ClassVar[BprSettings] = BprSettings()

    factors: Floats
    gram: Floats
    settings: BprSettings

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

    def propose(self, history: History, n: int) -> Candidates:
        """The items nearest to the customer's taste; nothing when no item of the history is known."""
        item, weight = strongest(history)
        if n < 1 or not len(item):
            return NONE
        return top(self.factors @ self._shares(item, weight).sum(axis=0), n)

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        tastes = np.zeros((len(histories), self.factors.shape[1]), np.float32)
        for row, history in enumerate(histories):
            item, weight = strongest(history)
            if len(item):
                tastes[row] = self._shares(item, weight).sum(axis=0)
        return [top(scores, n) for scores in tastes @ self.factors.T]

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item whose share of the score is largest."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one fold-in for all of them."""
        known, weight = strongest(history)
        if not len(known) or np.any((items < 0) | (items >= len(self.factors))):
            return [None] * len(items)
        share = self.factors[items] @ self._shares(known, weight).T
        newest = {item: position for position, item in enumerate(history.item.tolist())}
        return [
            newest[item] if largest > 0 else None
            for item, largest in zip(known[share.argmax(axis=1)].tolist(), share.max(axis=1).tolist(), strict=True)
        ]

    def save(self, folder: Path) -> None:
        write_array(folder, "factors", self.factors)
        write_array(folder, "gram", self.gram)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            settings = BprSettings(**read_settings(folder))
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(read_array(folder, "factors", np.float32, 2), read_array(folder, "gram", np.float32, 2), settings)

    def _shares(self, item: Ints, weight: Floats) -> Floats:
        """What each item of the history adds to the customer's vector, float32 [d, f + 1]; the vector is their sum,
        the solution of (Y'Y + extra confidence of the history's items + ridge) t = Y' confidence."""
        y, confidence = self.factors[item], weight * np.float32(self.settings.alpha)
        normal = self.gram + (y.T * (confidence - 1.0)) @ y
        return np.asarray(np.linalg.solve(normal, (y * confidence[:, None]).T).T, dtype=np.float32)
