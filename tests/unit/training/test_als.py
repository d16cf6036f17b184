"""Implicit ALS with fold-in."""

import numpy as np
import pytest

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import TEA, TOOLS, CandidateSuite, checker_board, numbers
from training.candidates.als import Als
from training.candidates.als_kernel import nearest, rounded
from training.candidates.top import top
from training.interactions import History


class TestAls(CandidateSuite):
    model = Als


def test_one_click_on_the_other_shelf_changes_the_answer() -> None:
    board = checker_board()
    model = Als.fit(board)
    tea = model.propose(History.of(numbers(board, TEA[0])), 1).item
    tool = model.propose(History.of(numbers(board, TOOLS[0])), 1).item
    assert board.item_ids[tea[0]] in TEA
    assert board.item_ids[tool[0]] in TOOLS


def test_a_purchase_weighs_more_than_a_look_at_the_other_shelf() -> None:
    board = checker_board()
    items = np.array(numbers(board, TOOLS[0], TEA[0]), np.int32)
    history = History(
        items, np.array([Kind.BUY, Kind.VIEW], np.int8), np.array([1, 2], np.int64), np.array([True, True]), now=3
    )
    assert board.item_ids[Als.fit(board).propose(history, 1).item[0]] in TOOLS


def test_a_batch_is_answered_as_one_by_one() -> None:
    board = checker_board()
    model = Als.fit(board)
    histories = [History.of(numbers(board, *TEA[:2])), History.of([]), History.of(numbers(board, TOOLS[3]))]
    for history, batched in zip(histories, model.propose_batch(histories, 8), strict=True):
        alone = model.propose(history, 8)
        np.testing.assert_allclose(np.sort(batched.score), np.sort(alone.score), rtol=1e-4, atol=1e-6)


def test_the_fold_in_solves_the_normal_equations() -> None:
    board = checker_board()
    model = Als.fit(board)
    item = np.array(numbers(board, TEA[0], TEA[2]), np.int32)
    confidence = np.ones(board.n_items)
    confidence[item] = model.settings.alpha * np.array([5.0, 5.0])
    wanted = np.zeros(board.n_items)
    wanted[item] = 1.0
    y = model.factors.astype(np.float64)
    left = y.T @ (confidence[:, None] * y) + model.settings.regularization * np.eye(y.shape[1])
    expected = y @ np.linalg.solve(left, y.T @ (confidence * wanted))
    answer = model.propose(History.of(item.tolist(), Kind.BUY), board.n_items)
    np.testing.assert_allclose(answer.score, expected[answer.item], rtol=1e-3, atol=1e-5)


def test_a_history_longer_than_the_factors_is_folded_in_alike() -> None:
    board = checker_board()
    whole = Als.fit(board)
    few = Als.of(whole.factors[:, :2], whole.gram[:2, :2], whole.settings)
    items, weight = np.arange(board.n_items, dtype=np.int32), np.linspace(1, 5, board.n_items, dtype=np.float32)
    for model in (whole, few):
        y, confidence = model.factors.astype(np.float64), model.settings.alpha * weight.astype(np.float64)
        taste = np.linalg.solve(model.gram + (y.T * (confidence - 1)) @ y, y.T @ confidence)
        np.testing.assert_allclose(model.contributions(items, weight).sum(axis=0), taste, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("n", [1, 20, 5000])
def test_the_rounded_factors_find_the_same_items_as_the_full_ones(n: int) -> None:
    random = np.random.default_rng(7)
    factors = random.normal(size=(3000, 32)).astype(np.float32) * random.exponential(size=(3000, 1)).astype(np.float32)
    factors[::5] = 0  # nobody touched these
    factors[1::5, 0] *= 1000  # one number so large that rounding drowns the others
    for _ in range(20):
        taste = random.normal(size=32).astype(np.float32)
        item, score = nearest(factors, *rounded(factors), taste, n)
        every = factors @ taste
        np.testing.assert_allclose(score, top(every, n).score, rtol=1e-4, atol=1e-3)
        np.testing.assert_allclose(score, every[item], rtol=1e-4, atol=1e-3)
        assert len(set(item.tolist())) == len(item)


def test_things_of_one_buyer_are_more_alike_than_those_of_different_ones() -> None:
    board = checker_board()
    alike = Als.fit(board).alike(np.array(numbers(board, TEA[0], TEA[1], TOOLS[0]), np.int32))
    assert alike[0, 1] > alike[0, 2]
    np.testing.assert_allclose(np.diag(alike), 1.0, rtol=1e-5)
