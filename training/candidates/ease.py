"""EASE: how much each item of a history speaks for each other item, learnt at once by ridge regression.

Steck: Embarrassingly Shallow Autoencoders for Sparse Data (WWW 2019): every item is foretold from all others, and the
weights follow in closed form from the inverse of the items' gram. What two items share with a third counts once, where
counting neighbours would count it twice; some weights are below zero.

The inverse costs the cube of the number of items, so it is learnt for the ``most_items`` that most customers cared for.
In a larger catalogue the model says nothing of the others: they are neither asked about nor proposed.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve

from training.candidates.als import preferences
from training.candidates.neighbours import ItemItemModel, Neighbours, furthest
from training.interactions import Floats, Interactions, Ints


@dataclass(frozen=True, slots=True)
class EaseSettings:
    regularization: Annotated[float, Field(gt=0)] = 200.0
    """Added to the customers that each item has, in units of the mean squared interest of one."""
    most_items: Annotated[int, Field(ge=1)] = 8_000
    """Items learnt at most: 8,000 take 0.8 GB and 12 seconds of a core, twice as many four times the memory, eight the
    time."""
    neighbours: Annotated[int, Field(ge=1)] = 400
    """Weights kept for each item, the furthest from zero."""


class Ease(ItemItemModel):
    __slots__ = ()
    name: ClassVar[str] = "ease"
    defaults: ClassVar[EaseSettings] = EaseSettings()

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: EaseSettings | None = None) -> Self:
        """Solve; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        preference = preferences(interactions)
        customers = np.bincount(preference.indices, minlength=interactions.n_items)
        learnt = np.sort(np.argsort(-customers, kind="stable")[: settings.most_items]).astype(np.int32)
        among = preference[:, learnt]
        gram = (among.T @ among).toarray()
        unit = float(np.mean(np.square(preference.data))) if preference.nnz else 1.0
        weights = _weights(gram, settings.regularization * unit)
        nothing = np.empty(0, np.int32), np.empty(0, np.float32)
        rows: list[tuple[Ints, Floats]] = [nothing] * interactions.n_items
        for item, row in zip(learnt.tolist(), weights, strict=True):
            kept = furthest(row, settings.neighbours)
            rows[item] = learnt[kept], row[kept]
        return cls(Neighbours.of(rows), settings)


def _weights(gram: Floats, ridge: float) -> Floats:
    """float32 [i, i]: what a touch of the row's item adds to the score of the column's; none speaks for itself."""
    gram[np.diag_indices_from(gram)] += ridge
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, np.eye(len(gram), dtype=np.float32), overwrite_b=True, check_finite=False)
    inverse = np.asarray(solved, dtype=np.float32)
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices_from(inverse)] = 0.0
    return inverse
