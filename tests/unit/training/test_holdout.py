from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.unit.training.candidate_suite import checker_board
from training.blend import Recipe
from training.candidates.covisitation import Covisitation
from training.candidates.popular import Popular
from training.holdout import compare, split
from training.interactions import from_frame


def test_what_is_asked_lies_after_all_that_was_learnt() -> None:
    board = checker_board(visits=40)
    earlier, questions = split(board, share=0.25, most=1000, seed=0)
    assert earlier.n_sessions == 30
    assert len(questions) == 10 * 2
    assert all(question.history.now > earlier.time.max() for question in questions)
    assert all(question.history.time[-1] < question.history.now for question in questions)


def test_a_session_that_goes_on_over_the_split_is_asked_about_only_after_it() -> None:
    rows = [("anna", 1, "a", 10), ("anna", 1, "b", 11), ("bert", 2, "c", 5), ("bert", 2, "d", 8), ("bert", 2, "e", 90)]
    visits = from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time"]))
    earlier, questions = split(visits, share=0.5, most=10, seed=0)
    assert [visits.item_ids[item] for item in earlier.item] == ["a", "b"]
    assert [visits.item_ids[question.item] for question in questions] == ["e"]
    assert [visits.item_ids[item] for item in questions[0].history.item] == ["c", "d"]


def test_a_customer_who_came_before_is_asked_from_the_first_click_on() -> None:
    rows = [("anna", 1, "a", 10), ("anna", 1, "b", 11), ("anna", 2, "c", 9_000), ("anna", 2, "d", 9_001)]
    visits = from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time"]))
    _, questions = split(visits, share=0.5, most=10, seed=0)
    ids = [[visits.item_ids[i] for i in (*question.history.item, question.item)] for question in questions]
    assert ids == [["a", "b", "c"], ["a", "b", "c", "d"]]
    assert [question.history.in_session.tolist() for question in questions] == [[False, False], [False, False, True]]


def test_about_as_many_questions_as_asked_for() -> None:
    _, questions = split(checker_board(visits=400), share=0.5, most=60, seed=1)
    assert 20 <= len(questions) <= 60


def test_a_shop_whose_sessions_all_end_at_once_has_no_hold_out() -> None:
    board = checker_board()
    earlier, questions = split(replace(board, time=np.full(len(board), 5)), share=0.1, most=10, seed=0)
    assert len(earlier) == len(board)
    assert questions == []
    assert compare(questions, {}, {"home": Recipe({})}, seed=0).metrics() == {}


def test_a_model_that_knows_the_shop_is_surely_better_than_popularity() -> None:
    earlier, questions = split(checker_board(visits=200), share=0.3, most=300, seed=0)
    models = {"covisitation": Covisitation.fit(earlier), "popular": Popular.fit(earlier)}
    recipes = {
        "home": Recipe({"covisitation": 1.0}),
        "popular": Recipe({"popular": 1.0}),
        "champion": Recipe({"covisitation": 2.0}),
    }
    comparison = compare(questions, models, recipes, seed=0)
    metrics = comparison.metrics()
    assert comparison.questions == len(questions)
    assert metrics["over_popular.mrr_20.low"] > 0
    assert metrics["home.mrr_20"] - metrics["popular.mrr_20"] == pytest.approx(metrics["over_popular.mrr_20"])
    assert metrics["over_champion.mrr_20.low"] == metrics["over_champion.mrr_20.high"] == 0
    assert compare(questions, models, recipes, seed=0) == comparison
