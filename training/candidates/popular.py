"""Popular: what most customers of a market want lately. The baseline, and the last resort before the newest items.

Interactions count by kind and decay with age. A market's counts are smoothed towards those of all markets (a
Dirichlet prior of ``prior`` interactions), so that a market with little or no data shows what is popular everywhere.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.candidate import Candidates
from training.candidates.interest import decay, interest
from training.interactions import Floats, History, Interactions, Ints

DEPTH: Final = 5000
"""Most items kept for a market; no list of popular items is read further."""


@dataclass(frozen=True, slots=True)
class PopularSettings:
    half_life_days: Annotated[float, Field(gt=0)] = 14.0
    prior: Annotated[float, Field(ge=0)] = 50.0
    """Interactions (a view counts 1) that the experience of all markets is worth in each."""


@dataclass(frozen=True, slots=True)
class Popular:
    """``item`` int32 and ``score`` float32 [markets + 1, min(items, DEPTH)], best first; the last row: all markets."""

    name: ClassVar[str] = "popular"
    defaults: ClassVar[PopularSettings] = PopularSettings()

    item: Ints
    score: Floats
    settings: PopularSettings

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: PopularSettings | None = None) -> Self:
        """Count; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        newest = interactions.time.max(initial=0)
        weight = interest(interactions.kind) * decay(newest - interactions.time, settings.half_life_days)
        everywhere = np.bincount(interactions.item, weight, interactions.n_items)
        share = everywhere / max(float(everywhere.sum()), np.finfo(np.float64).tiny)
        rows = []
        for market in range(len(interactions.markets)):
            here = interactions.market == market
            counts = np.bincount(interactions.item[here], weight[here], interactions.n_items)
            rows.append(_best(counts + settings.prior * share))
        rows.append(_best(everywhere))
        item, score = zip(*rows, strict=True)
        return cls(np.stack(item), np.stack(score), settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The market's most wanted items, whatever the customer did."""
        row = history.market if 0 <= history.market < len(self.item) - 1 else -1
        known = self.score[row, : max(n, 0)] > 0
        return Candidates(self.item[row, : max(n, 0)][known], self.score[row, : max(n, 0)][known])

    def because(self, history: History, item: int) -> int | None:
        """None: nothing the customer did speaks for a popular item."""
        return None

    def save(self, folder: Path) -> None:
        write_array(folder, "item", self.item)
        write_array(folder, "score", self.score)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            settings = PopularSettings(**read_settings(folder))
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(read_array(folder, "item", np.int32, 2), read_array(folder, "score", np.float32, 2), settings)


def _best(counts: npt.NDArray[Any]) -> tuple[Ints, Floats]:
    best = np.argsort(-counts, kind="stable")[:DEPTH]
    return best.astype(np.int32), counts[best].astype(np.float32)
