"""From a score to a probability."""

from itertools import pairwise

import numpy as np

from training.probability import Calibration


def drawn(slope: float, n: int = 40_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores, and labels that are 1 with the probability that slope and an intercept of -2 give."""
    rng = np.random.default_rng(5)
    score = rng.normal(0, 2, n)
    return score, (rng.random(n) < 1 / (1 + np.exp(-(slope * score - 2)))).astype(np.int8)


def test_probabilities_are_as_often_right_as_they_say() -> None:
    score, label = drawn(0.7)
    calibration = Calibration.fit(score[:20_000], label[:20_000])
    assert calibration is not None
    said, happened = calibration.probability(score[20_000:]), label[20_000:]
    bins = np.quantile(said, np.linspace(0, 1, 6))
    for low, high in pairwise(bins):
        within = (said >= low) & (said <= high)
        assert abs(said[within].mean() - happened[within].mean()) < 0.03


def test_the_order_stays() -> None:
    calibration = Calibration.fit(*drawn(0.7))
    assert calibration is not None
    assert np.all(np.diff(calibration.probability(np.linspace(-5, 5, 50))) > 0)


def test_a_score_that_says_nothing_or_the_contrary_has_no_calibration() -> None:
    score, label = drawn(-0.7)
    assert Calibration.fit(score, label) is None
    assert Calibration.fit(score, np.zeros_like(label)) is None
    assert Calibration.fit(score, np.ones_like(label)) is None
