"""The shop's rules over the ranking."""

import numpy as np

from serving.rules import varied

SCORE = np.array([1.0, 0.95, 0.9, 0.5], np.float32)
ALIKE = np.eye(4, dtype=np.float32)
ALIKE[0, 1] = ALIKE[1, 0] = 1.0


def test_a_near_copy_stands_behind_what_is_almost_as_good() -> None:
    assert varied(SCORE, ALIKE, n=4, weight=0.1) == [0, 2, 1, 3]


def test_a_much_better_near_copy_keeps_its_place() -> None:
    assert varied(SCORE, ALIKE, n=4, weight=0.01) == [0, 1, 2, 3]


def test_behind_the_places_that_are_shown_the_order_stays() -> None:
    assert varied(SCORE, ALIKE, n=1, weight=1.0) == [0, 1, 2, 3]


def test_nothing_to_choose_from() -> None:
    assert varied(SCORE[:0], ALIKE[:0, :0], n=3, weight=0.1) == []
