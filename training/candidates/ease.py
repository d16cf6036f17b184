"""EASE: how much each item of a history speaks for each other item, learnt at once by ridge regression.

Steck: Embarrassingly Shallow Autoencoders for Sparse Data (WWW 2019): every item is foretold from all others, and the
weights follow in closed form from the inverse of the items' gram. What two items share with a third counts once, where
counting neighbours would count it twice; some weights are below zero.

The inverse costs the cube of the number of items, so it is learnt for the ``most_items`` that most customers cared for.
In a larger catalogue the model says nothing of the others: they are neither asked about nor proposed.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve

from feature_repo.errors import Corrupt
from training.arrays import read_settings, write_settings
from training.candidates.als import preferences
from training.candidates.candidate import Candidates
from training.candidates.interest import strongest
from training.candidates.neighbours import Neighbours
from training.interactions import Floats, History, Interactions, Ints


@dataclass(frozen=True, slots=True)
class EaseSettings:
    regularization: Annotated[float, Field(gt=0)] = 200.0
    """Added to the customers that each item has, in units of the mean squared interest of one."""
    most_items: Annotated[int, Field(ge=1)] = 8_000
    """Items learnt at most: 8,000 take 0.8 GB and 12 seconds of a core, twice as many four times the memory, eight the
    time."""
    neighbours: Annotated[int, Field(ge=1)] = 400
    """Weights kept for each item, the furthest from zero."""


@dataclass(frozen=True, slots=True)
class Ease:
    name: ClassVar[str] = "ease"
    defaults: ClassVar[EaseSettings] = EaseSettings()

    table: Neighbours
    settings: EaseSettings

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

    def propose(self, history: History, n: int) -> Candidates:
        """The items that the history's items together speak for most."""
        return self.table.best(strongest(history), n)

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        return self.table.best_each([strongest(history) for history in histories], n)

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item that speaks most for ``item``."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one look at the neighbours."""
        return self.table.because_each(strongest(history), history, items)

    def save(self, folder: Path) -> None:
        self.table.save(folder)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            settings = EaseSettings(**read_settings(folder))
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(Neighbours.load(folder), settings)


def _weights(gram: Floats, ridge: float) -> Floats:
    """float32 [i, i]: what a touch of the row's item adds to the score of the column's; none speaks for itself."""
    gram[np.diag_indices_from(gram)] += ridge
    factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve(factor, np.eye(len(gram), dtype=np.float32), overwrite_b=True, check_finite=False)
    inverse = np.asarray(solved, dtype=np.float32)
    inverse /= -np.diag(inverse).copy()
    inverse[np.diag_indices_from(inverse)] = 0.0
    return inverse


def furthest(row: Floats, n: int) -> npt.NDArray[np.intp]:
    """Positions of the ``n`` weights furthest from zero, in order, none that is zero."""
    kept = np.argpartition(np.abs(row), -n)[-n:] if n < len(row) else np.arange(len(row))
    return np.sort(kept[row[kept] != 0])
