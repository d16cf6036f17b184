"""Pauses between two purchases of the same item by the same customer: when something may be wanted again.

Pauses are log-normal, as in the aggregate time distribution of Bhagat et al.: Buy It Again, KDD 2018. An item's own
usual pause is drawn towards that of all items as long as few are known.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from training.interactions import Floats

DAY_SECONDS: Final = 86_400
PRIOR: Final = 20.0
"""Pauses that the usual pause of all items is worth in every item's."""
LEAST_SPREAD: Final = 0.25
"""Of the logarithm: pauses are never known to be more alike than this."""
LEAST_DAYS: Final = 0.5
"""Anything bought later than this ago counts as this: files of baskets without times ask at once for the next one."""

LEAST: Final = 1e-6
"""An item that is not ready stands last; it is not denied."""


class Pauses(NamedTuple):
    """``usual`` float32 [items], days, the median; ``spread``: standard deviation of the logarithm of pauses."""

    usual: Floats
    spread: float

    def readiness(self, item: npt.NDArray[np.int32], since_days: npt.NDArray[np.float64], share: float) -> Floats:
        """In (0, 1] how far ``item`` [k], bought ``since_days`` [k] ago, may be offered again, float32 [k].

        One half after ``share`` of the usual pause.
        """
        passed = np.maximum(since_days, LEAST_DAYS) / (share * self.usual[item])
        return np.asarray(np.maximum(ndtr(np.log(passed) / self.spread), LEAST), np.float32)


def fit_pauses(
    user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], time: npt.NDArray[np.int64], n_items: int
) -> Pauses | None:
    """From purchases, one row a customer, moment (seconds) and item; None where nobody bought anything on two days."""
    rows = np.unique(np.stack((user, item, time // DAY_SECONDS)), axis=1)
    again = np.all(rows[:2, 1:] == rows[:2, :-1], axis=0)
    if not again.any():
        return None
    of, pause = rows[1, 1:][again], np.log(np.diff(rows[2])[again])
    everywhere = pause.mean()
    usual = (np.bincount(of, pause, n_items) + PRIOR * everywhere) / (np.bincount(of, minlength=n_items) + PRIOR)
    return Pauses(np.exp(usual).astype(np.float32), max(float((pause - usual[of]).std()), LEAST_SPREAD))
