import numpy as np
import pytest

from benchmarks.new_items import K, among_first, compared

FEW = np.arange(2 * K, dtype=np.float64)


def test_the_first_are_those_with_the_highest_scores() -> None:
    assert among_first(FEW, np.array([0, K - 1, K, 2 * K - 1])).tolist() == [0, 0, 1, 1]


def test_equal_scores_share_the_places_that_are_left() -> None:
    assert among_first(np.zeros(2 * K), np.array([0, 5])).tolist() == [0.5, 0.5]
    scores = np.concatenate([np.full(K - 1, 9.0), np.full(4, 5.0), [1.0]])
    assert among_first(scores, np.array([0, K, K + 3])).tolist() == [1, 0.25, 0]
    assert among_first(scores, np.arange(len(scores))).sum() == K


def test_a_ratio_is_of_means_and_its_interval_is_paired() -> None:
    theirs = [0.1, 0.2, 0.3, 0.4]
    figure = compared("what", [2 * value for value in theirs], theirs, required=True)
    assert figure.measured == pytest.approx(2)
    assert figure.note.startswith("2.00 to 2.00; 0.500 against 0.250, 4 products")
