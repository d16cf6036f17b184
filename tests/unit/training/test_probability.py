"""From a score to a probability."""

from itertools import pairwise

import numpy as np

from training.probability import Calibration
from training.ranker import RankerSettings, Rows, learnt
from training.rehearsal import cross_fitted


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


def lists(n: int, seed: int) -> Rows:
    """Lists of 20 items, of which one is right, by chance and by how its 20 features are weighed."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 20, 20)).astype(np.float32)
    weight = 0.9 * np.random.default_rng(99).normal(size=20)
    chance = np.exp(features @ weight + np.abs(features[:, :, 0]))
    right = (np.cumsum(chance, axis=1) > rng.random((n, 1)) * chance.sum(axis=1, keepdims=True)).argmax(axis=1)
    label = (np.arange(20) == right[:, None]).astype(np.int8)
    place = np.zeros(20 * n, np.int32)
    return Rows(features.reshape(-1, 20), label.ravel(), np.full(n, 20, np.int32), place)


def test_trees_that_learn_on_are_right_as_often_as_they_say() -> None:
    """Few lessons and a long later part: the trees that are used know far more than those that never saw it."""
    lessons, halves, unseen = [lists(220, 1)], [lists(300, 2), lists(300, 3)], lists(1500, 4)
    settings = RankerSettings(rounds=60)
    trees, calibration = learnt([*lessons, *halves], settings, seed=1), cross_fitted(lessons, halves, settings, seed=1)
    assert trees is not None
    assert calibration is not None
    said, came = calibration.probability(trees.score(unseen.features)), unseen.label
    error = []
    for low, high in pairwise((0.05, 0.1, 0.2, 0.4, 0.7, 1.0)):
        within = (said >= low) & (said < high)
        error += [abs(said[within].mean() - came[within].mean())] * within.sum()
    assert len(error) > 5_000
    assert np.mean(error) < 0.03
    assert np.max(error) < 0.08


def test_too_few_lessons_make_no_calibration() -> None:
    assert cross_fitted([lists(20, 1)], [lists(9, 2), lists(9, 3)], RankerSettings(rounds=2), seed=1) is None
