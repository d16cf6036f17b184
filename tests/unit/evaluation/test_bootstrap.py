"""Intervals."""

import numpy as np

from training.evaluation.bootstrap import coverage, draw_means, interval, unvaried


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        sample = rng.normal(0.3, 1.0, size=(150, 1))
        found = interval(
            float(sample.mean()), draw_means(sample, np.arange(150, dtype=np.int32), 150, seed=trial)[:, 0]
        )
        covered += found.low <= 0.3 <= found.high
    assert 87 <= covered <= 100


def test_questions_of_one_session_are_not_independent() -> None:
    """Ten questions of one session that answer alike say no more than one: the interval must be as wide."""
    per_session = np.random.default_rng(1).random(80)
    alone = draw_means(per_session[:, None], np.arange(80, dtype=np.int32), 80, seed=0)
    repeated = draw_means(np.repeat(per_session, 10)[:, None], np.repeat(np.arange(80, dtype=np.int32), 10), 80, seed=0)
    np.testing.assert_allclose(repeated, alone)


def test_a_long_session_weighs_as_many_questions_as_it_has() -> None:
    values = np.array([[1.0], [0.0], [0.0], [0.0]])
    cluster = np.array([0, 1, 1, 1], dtype=np.int32)
    drawn = set(np.round(draw_means(values, cluster, 2, seed=0)[:, 0], 6))
    assert drawn == {0.0, 0.25, 1.0}


def test_the_same_seed_draws_the_same() -> None:
    values = np.random.default_rng(2).random((50, 2))
    cluster = np.arange(50, dtype=np.int32)
    assert np.array_equal(draw_means(values, cluster, 50, seed=4), draw_means(values, cluster, 50, seed=4))
    assert not np.array_equal(draw_means(values, cluster, 50, seed=4), draw_means(values, cluster, 50, seed=5))


def test_a_small_steady_gain_shows_in_paired_differences_only() -> None:
    rng = np.random.default_rng(3)
    others = rng.random(200)
    ours = others + 0.02 + 0.01 * rng.standard_normal(200)
    cluster = np.arange(200, dtype=np.int32)
    draws = draw_means(np.stack([ours, others, ours - others], axis=1), cluster, 200, seed=0)
    single, other, paired = (interval(0.0, column) for column in draws.T)
    assert paired.low > 0
    assert single.low < other.high


def test_nothing_seen_in_63_is_not_known_to_be_nothing() -> None:
    none, all_ = unvaried(0.0, 63, 0.0, 1.0), unvaried(1.0, 63, 0.0, 1.0)
    assert (none.low, none.value, round(none.high, 4)) == (0.0, 0.0, 0.0575)
    assert (round(all_.low, 4), all_.value, all_.high) == (0.9425, 1.0, 1.0)
    # The true share that shows nothing in 63 more often than once in forty lies within.
    assert (1 - 0.05) ** 63 > 0.025
    assert none.high > 0.05


def test_a_difference_that_never_showed_may_go_either_way() -> None:
    found = unvaried(0.0, 10, -1.0, 1.0)
    assert -found.low == found.high > 0.25


def test_coverage_counts_each_item_once_and_no_empty_place() -> None:
    shown = np.array([[0, 1], [1, -2], [3, 0]], dtype=np.int32)
    found = coverage(shown, np.arange(3, dtype=np.int32), n_items=6, seed=0)
    assert found.value == 0.5
    assert found.low <= 0.5 <= found.high


def test_coverage_of_lists_without_an_item() -> None:
    assert coverage(np.full((2, 3), -2, np.int32), np.arange(2, dtype=np.int32), n_items=4, seed=0).value == 0
