"""Where the search looks: the settings of each model that it varies, and the weights of a blend.

What is not named here is never varied, nor is a model that is not named. A setting that switches something off by a
value outside its range (0 for never) keeps the value in force unless something within the range does better.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from training.settings import Value


@dataclass(frozen=True, slots=True)
class Range:
    """From ``low`` to ``high``, both included; with ``log`` a factor of two counts the same everywhere."""

    low: float
    high: float
    log: bool = False

    def holds(self, value: Value) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Choice:
    values: tuple[Value, ...]

    def holds(self, value: Value) -> bool:
        return value in self.values


Space = Mapping[str, Range | Choice]

_EITHER: Final = Choice((False, True))

_BUY_AGAIN: Final = {
    "order_decay": Range(0.5, 1),
    "repeat_power": Range(0, 1.5),
    "repeat_prior": Range(1, 200, log=True),
    "group": Range(0.1, 100, log=True),
    "group_half_life_days": Range(7, 365, log=True),
}

SPACES: Final[Mapping[str, Space]] = {
    "popular": {"half_life_days": Range(1, 120, log=True), "prior": Range(5, 500, log=True)},
    "trending": {
        "half_life_days": Range(0.5, 14, log=True),
        "past_half_life_days": Range(14, 120, log=True),
        "prior": Range(2, 200, log=True),
        "doubt": Range(1, 50, log=True),
        "preference": Range(0, 10),
    },
    "als": {
        "factors": Range(16, 256, log=True),
        "regularization": Range(1, 200, log=True),
        "alpha": Range(1, 200, log=True),
    },
    "bpr": {
        "factors": Range(16, 128, log=True),
        "regularization": Range(0.001, 0.1, log=True),
        "alpha": Range(1, 200, log=True),
        "ridge": Range(1, 200, log=True),
    },
    "ease": {"regularization": Range(10, 5000, log=True)},
    "buy_again": _BUY_AGAIN,
    "buy_again_due": {**_BUY_AGAIN, "ready_share": Range(0, 0.6)},
    "graph_filter": {
        "user_power": Range(0, 0.8),
        "item_power": Range(0, 0.8),
        "factors": Range(16, 256, log=True),
        "power": Range(0, 1.5),
    },
    "session_knn": {
        "m": Range(100, 3000, log=True),
        "k": Range(50, 1500, log=True),
        "length": Range(3, 30, log=True),
        "click_scale": Range(0.5, 10, log=True),
        "neighbour_scale": Range(0.5, 20, log=True),
        "cosine": _EITHER,
        "linear_match": _EITHER,
        "idf": Range(0, 2),
    },
    "covisitation": {
        "window": Range(2, 50, log=True),
        "step_decay": Range(0.5, 1),
        "gap_days": Range(0.02, 60, log=True),
        "age_days": Range(7, 730, log=True),
        "backward": Range(0, 1),
        "popularity": Range(0, 1),
        "length": Range(1, 50, log=True),
        "click_decay": Range(0.4, 1),
    },
    "bought_together": {
        "window": Range(5, 150, log=True),
        "step_decay": Range(0.8, 1),
        "gap_days": Range(0.02, 60, log=True),
        "age_days": Range(14, 730, log=True),
        "popularity": Range(0, 1),
    },
}

WEIGHT: Final = Range(0.001, 1, log=True)
LEAST_WEIGHT: Final = 0.004
"""A model with less than this in a blend, where the strongest has about 1, is left out of it."""
