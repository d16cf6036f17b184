"""How much an interaction says about a customer's interest in an item, by its kind."""

from typing import Final

import numpy as np
import numpy.typing as npt

from feature_repo.activity import Kind
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
    item, place = np.unique(history.item, return_inverse=True)
    weight = np.zeros(len(item), np.float32)
    shown = interest(history.kind)
    if half_life_days > 0:
        shown = shown * decay(history.now - history.time, half_life_days)
    np.maximum.at(weight, place, shown)
    return item.astype(np.int32), weight
