"""BPR with fold-in."""

import numpy as np

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import TEA, TOOLS, CandidateSuite, checker_board, numbers
from training.candidates.bpr import Bpr
from training.interactions import History


class TestBpr(CandidateSuite):
    model = Bpr


def test_what_a_customer_chose_scores_above_what_they_did_not() -> None:
    board = checker_board(visits=40)
    model = Bpr.fit(board, seed=7)
    for shelf, other in ((TEA, TOOLS), (TOOLS, TEA)):
        answer = model.propose(History.of(numbers(board, shelf[0])), board.n_items)
        score = dict(zip(answer.item.tolist(), answer.score.tolist(), strict=True))
        worst = min(score.get(item, 0.0) for item in numbers(board, *shelf))
        assert worst > max(score.get(item, 0.0) for item in numbers(board, *other))


def test_the_fold_in_solves_the_normal_equations() -> None:
    board = checker_board()
    model = Bpr.fit(board, seed=7)
    item = np.array(numbers(board, TEA[0], TEA[2]), np.int32)
    confidence, wanted = np.ones(board.n_items), np.zeros(board.n_items)
    confidence[item] = model.settings.alpha * 5.0
    wanted[item] = 1.0
    y = model.factors.astype(np.float64)
    left = y.T @ (confidence[:, None] * y) + model.settings.ridge * np.eye(y.shape[1])
    expected = y @ np.linalg.solve(left, y.T @ (confidence * wanted))
    answer = model.propose(History.of(item.tolist(), Kind.BUY), board.n_items)
    np.testing.assert_allclose(answer.score, expected[answer.item], rtol=1e-3, atol=1e-5)


def test_a_batch_is_answered_as_one_by_one() -> None:
    board = checker_board()
    model = Bpr.fit(board, seed=7)
    histories = [History.of(numbers(board, *TEA[:2])), History.of([]), History.of(numbers(board, TOOLS[3]))]
    for history, batched in zip(histories, model.propose_batch(histories, 8), strict=True):
        alone = model.propose(history, 8)
        np.testing.assert_allclose(np.sort(batched.score), np.sort(alone.score), rtol=1e-4, atol=1e-6)
