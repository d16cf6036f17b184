"""Candidates of several models in one list, by places."""

import numpy as np

from training.candidates.candidate import NONE, Candidates
from training.fusion import fused

NOTHING = np.empty(0, np.int32)


def listed(*items: int) -> Candidates:
    return Candidates(np.array(items, np.int32), np.linspace(9, 1, len(items), dtype=np.float32))


def test_what_several_sources_propose_comes_before_what_one_does() -> None:
    found = fused({"x": listed(1, 2, 3), "y": listed(4, 3, 5)}, {"x": 1.0, "y": 1.0}, 10, NOTHING)
    assert found.item[0] == 3
    assert sorted(found.item.tolist()) == [1, 2, 3, 4, 5]


def test_every_source_keeps_its_row_even_when_it_proposes_nothing() -> None:
    weights = {"x": 1.0, "silent": 1.0, "absent": 1.0, "y": 0.5}
    found = fused({"y": listed(7), "silent": NONE, "x": listed(5, 7)}, weights, 10, NOTHING)
    assert found.item.tolist() == [7, 5]
    assert found.place.tolist() == [[1, 0], [-1, -1], [-1, -1], [0, -1]]
    assert found.score.tolist() == [[1, 9], [0, 0], [0, 0], [9, 0]]
    assert found.strongest.tolist() == [0, 0]


def test_hidden_items_and_those_over_the_number_are_left_out() -> None:
    found = fused({"x": listed(1, 2, 3, 4)}, {"x": 1.0}, 2, np.array([1], np.int32))
    assert found.item.tolist() == [2, 3]


def test_sources_that_all_know_nothing_give_an_empty_list() -> None:
    found = fused({"x": NONE}, {"x": 1.0}, 5, NOTHING)
    assert (len(found.item), found.score.shape, found.place.shape) == (0, (1, 0), (1, 0))
