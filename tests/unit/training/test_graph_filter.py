"""The graph filter."""

import numpy as np
import pandas as pd

from tests.unit.training.candidate_suite import TEA, TOOLS, CandidateSuite, checker_board, numbers
from training.candidates.als import preferences
from training.candidates.graph_filter import GraphFilter, GraphFilterSettings
from training.interactions import History, from_frame

DAY = 86_400


class TestGraphFilter(CandidateSuite):
    model = GraphFilter


def test_a_batch_is_answered_as_one_by_one() -> None:
    board = checker_board()
    model = GraphFilter.fit(board)
    histories = [History.of(numbers(board, *TEA[:2])), History.of([]), History.of(numbers(board, TOOLS[3]))]
    for history, batched in zip(histories, model.propose_batch(histories, 8), strict=True):
        alone = model.propose(history, 8)
        np.testing.assert_allclose(batched.score, alone.score, rtol=1e-5)
        assert set(batched.item) == set(alone.item)


def test_a_short_table_of_neighbours_keeps_the_strongest() -> None:
    board = checker_board()
    whole = GraphFilter.fit(board)
    short = GraphFilter.fit(board, settings=GraphFilterSettings(neighbours=2))
    tea = History.of(numbers(board, TEA[0]))
    np.testing.assert_allclose(short.propose(tea, 8).score, whole.propose(tea, 2).score)


def test_with_a_half_life_the_shelf_of_today_comes_first() -> None:
    board = checker_board()
    items = np.array(numbers(board, TOOLS[0], TOOLS[1], TEA[0]), np.int32)
    time = np.array([0, 0, 100 * DAY], np.int64)
    history = History(items, np.ones(3, np.int8), time, np.zeros(3, np.bool_), now=100 * DAY)
    model = GraphFilter.fit(board, settings=GraphFilterSettings(half_life_days=7))
    assert set(board.item_ids[model.propose(history, 3).item]) <= set(TEA)


def test_leading_directions_are_evened_out_as_an_exact_decomposition_says() -> None:
    random = np.random.default_rng(3)
    rows = [(f"c{user}", f"i{item}", user) for user in range(80) for item in random.choice(12, 4, replace=False)]
    shop = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
    settings = GraphFilterSettings(user_power=0.5, item_power=0.2, least_share=0.2, power=0.25)
    seen = preferences(shop).toarray().astype(np.float64)
    linear = seen / seen.sum(axis=1, keepdims=True) ** 0.5 / seen.sum(axis=0) ** 0.2
    strength, directions = np.linalg.eigh(linear.T @ linear)
    least = 0.2 * strength[-1]
    assert strength[0] < least < strength[-1]
    evened = np.where(strength > least, least * (np.maximum(strength, 1e-9) / least) ** 0.25, strength)
    expected = (directions * evened) @ directions.T
    model = GraphFilter.fit(shop, settings=settings)
    found = model.propose(History.of([5]), shop.n_items)
    assert set(found.item.tolist()) == set(np.flatnonzero(expected[5] > 0).tolist())
    np.testing.assert_allclose(found.score, expected[5][found.item], rtol=1e-3, atol=1e-5)
