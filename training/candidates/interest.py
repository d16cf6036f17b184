"""How much an interaction says about a customer's interest in an item, by its kind."""

from typing import Final

import numpy as np
import numpy.typing as npt

from feature_repo.activity import Kind
from training.candidates.compiled import compiled
from training.interactions import Codes, Floats, History, Ints

_WEIGHT: Final[dict[Kind, float]] = {Kind.VIEW: 1.0, Kind.WISH: 2.0, Kind.CART: 3.0, Kind.BUY: 5.0}
_TABLE: Final[Floats] = np.array([_WEIGHT.get(Kind(code), 0) if code else 0 for code in range(5)], dtype=np.float32)


def interest(kind: Codes) -> Floats:
    """Weight of each interaction, float32 [n]: a view counts 1, a purchase 5."""
    return _TABLE[kind]


def decay(age: npt.NDArray[np.int64], half_life_days: float) -> Floats:
    """Weight of ages in seconds, float32 [n]: 1 at no age or less, one half at the half-life."""
    days = np.maximum(age, 0) / 86_400.0
    return np.exp2(-days / half_life_days).astype(np.float32)


def strongest(history: History, half_life_days: float = 0.0) -> tuple[Ints, Floats]:
    """The history's distinct items, int32 [d], and the strongest interest shown in each, float32 [d].

    With a half-life, interest decays with its age.
    """
    shown = interest(history.kind)
    if half_life_days > 0:
        shown = shown * decay(history.now - history.time, half_life_days)
    return _strongest(history.item, shown)


@compiled
def _strongest(item: Ints, weight: Floats) -> tuple[Ints, Floats]:
    distinct, most = np.empty(len(item), np.int32), np.zeros(len(item), np.float32)
    n = 0
    for at in np.argsort(item):
        if n == 0 or distinct[n - 1] != item[at]:
            distinct[n] = item[at]
            n += 1
        most[n - 1] = max(most[n - 1], weight[at])
    return distinct[:n], most[:n]
