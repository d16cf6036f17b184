"""EASE."""

import numpy as np
import pandas as pd
import pytest

from tests.unit.training.candidate_suite import TEA, TOOLS, CandidateSuite, checker_board, numbers
from training.candidates.als import preferences
from training.candidates.ease import Ease, EaseSettings
from training.interactions import History, from_frame


class TestEase(CandidateSuite):
    model = Ease


def test_the_weights_are_those_of_a_ridge_regression_of_each_item_on_the_others() -> None:
    random = np.random.default_rng(3)
    rows = [(f"c{user}", f"i{item}", user) for user in range(60) for item in random.choice(9, 4, replace=False)]
    shop = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
    seen = preferences(shop).toarray().astype(np.float64)
    model = Ease.fit(shop, settings=EaseSettings(regularization=3.0))
    for item in range(shop.n_items):
        others = np.delete(np.arange(shop.n_items), item)
        x = seen[:, others]
        expected = np.linalg.solve(x.T @ x + 3.0 * np.eye(len(others)), x.T @ seen[:, item])
        weights = [_weight(model, int(other), item) for other in others]
        np.testing.assert_allclose(weights, expected, rtol=1e-3, atol=1e-5)


def test_a_batch_is_answered_as_one_by_one() -> None:
    board = checker_board()
    model = Ease.fit(board)
    histories = [History.of(numbers(board, *TEA[:2])), History.of([]), History.of(numbers(board, TOOLS[3]))]
    for history, batched in zip(histories, model.propose_batch(histories, 8), strict=True):
        alone = model.propose(history, 8)
        np.testing.assert_allclose(batched.score, alone.score, rtol=1e-5)
        assert set(batched.item) == set(alone.item)


def test_a_catalogue_above_the_bound_is_learnt_as_far_as_most_customers_go() -> None:
    rows = [(f"c{user}", item, user) for user in range(9) for item in ("bread", "butter", f"rare {user}")]
    shop = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
    model = Ease.fit(shop, settings=EaseSettings(most_items=2))
    bread, butter, rare = numbers(shop, "bread", "butter", "rare 3")
    assert model.propose(History.of([bread]), 10).item.tolist() == [butter]
    assert not len(model.propose(History.of([rare]), 10).item)
    assert model.because(History.of([rare]), bread) is None


@pytest.mark.parametrize("kept", [1, 2])
def test_a_short_table_keeps_the_weights_furthest_from_zero(kept: int) -> None:
    board = checker_board()
    tea = History.of(numbers(board, TEA[0]))
    short = Ease.fit(board, settings=EaseSettings(neighbours=kept)).propose(tea, 8)
    np.testing.assert_allclose(short.score, Ease.fit(board).propose(tea, kept).score)


def _weight(model: Ease, one: int, other: int) -> float:
    row = slice(model.table.start[one], model.table.start[one + 1])
    return float(model.table.weight[row][model.table.item[row] == other].sum())
