"""Calibration: from a ranker's score, which orders a list and no more, to a probability."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from training.interactions import Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """The probability is 1 / (1 + exp(-(slope * score + intercept))); ``slope`` > 0, so the order stays."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, score: npt.NDArray[np.float64], label: npt.NDArray[np.int8]) -> Self | None:
        """Platt scaling (Platt, 1999) on scores [n] of lists that were not learnt from, ``label`` [n] 0 or 1.

        None where the labels are all alike, or where a higher score is no more likely to be right.
        """
        from sklearn.linear_model import LogisticRegression

        if not 0 < label.sum() < len(label):
            return None
        model = LogisticRegression(C=np.inf).fit(score[:, None], label)
        slope = float(model.coef_[0, 0])
        return cls(slope, float(model.intercept_[0])) if slope > 0 else None

    def probability(self, score: npt.NDArray[np.float64]) -> Floats:
        """Of scores [n]: float32 [n], between 0 and 1."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * score + self.intercept))), np.float32)


UNCALIBRATED: Final = Calibration(1.0, 0.0)
"""Keeps the order and says nothing else."""
