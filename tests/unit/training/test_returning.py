"""The next order of customers who come back."""

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from training.blend import Recipe
from training.candidates.buy_again import BuyAgain
from training.candidates.candidate import CandidateModel
from training.candidates.popular import Popular
from training.folds import before
from training.interactions import Interactions, from_frame
from training.next_order import next_orders
from training.returning import compare_orders

CUT = 10_000


def shop(*rows: tuple[str, int, str, Kind, int]) -> Interactions:
    return from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "event", "time"]))


def faithful(customers: int = 60) -> Interactions:
    """Everybody orders a favourite of their own twice before CUT and once after it, and everyone once a pen."""
    rows = [
        (f"u{user}", 3 * user + order, item, Kind.BUY, time + user)
        for user in range(customers)
        for order, (time, items) in enumerate(
            [(1_000, ("pen", f"tea {user}")), (5_000, (f"tea {user}",)), (20_000, ())]
        )
        for item in items or (f"tea {user}",)
    ]
    return shop(*rows)


def test_who_comes_back_is_asked_before_the_first_click_of_that_visit() -> None:
    visits = shop(
        ("anna", 1, "milk", Kind.BUY, 1_000),
        ("anna", 2, "wine", Kind.VIEW, 15_000),
        ("anna", 3, "tea", Kind.VIEW, 20_000),
        ("anna", 3, "tea", Kind.BUY, 20_010),
        ("anna", 3, "cake", Kind.BUY, 20_010),
        ("anna", 4, "bread", Kind.BUY, 30_000),
        ("ben", 5, "milk", Kind.BUY, 20_000),
        ("cleo", 6, "milk", Kind.BUY, 2_000),
    )
    (order,) = next_orders(visits, CUT, 99_999, most=10, seed=0)
    assert visits.item_ids[order.history.item].tolist() == ["milk", "wine"]
    assert sorted(visits.item_ids[order.bought]) == ["cake", "tea"]
    assert (order.history.now, order.history.in_session.any()) == (20_000, np.False_)


def test_a_visit_that_had_begun_before_the_cut_is_not_asked_about() -> None:
    visits = shop(
        ("anna", 1, "milk", Kind.BUY, 1_000),
        ("anna", 2, "tea", Kind.VIEW, CUT - 10),
        ("anna", 2, "tea", Kind.BUY, CUT + 10),
    )
    assert next_orders(visits, CUT, 99_999, most=10, seed=0) == []
    assert len(next_orders(visits, CUT - 10, 99_999, most=10, seed=0)) == 1


def test_orders_after_the_end_are_not_asked_for() -> None:
    assert next_orders(faithful(), CUT, 15_000, most=10, seed=0) == []


def test_habit_beats_popularity_among_the_faithful() -> None:
    interactions = faithful()
    orders = next_orders(interactions, CUT, 99_999, most=50, seed=0)
    earlier = before(interactions, CUT)
    models: dict[str, CandidateModel] = {"buy_again": BuyAgain.fit(earlier), "popular": Popular.fit(earlier)}
    recipes = {"returning": Recipe({"buy_again": 1.0}), "popular": Recipe({"popular": 1.0})}
    figures = compare_orders(orders, models, recipes, "returning", seed=0)
    assert len(orders) == 50
    assert figures["returning.recall_20"].value == 1.0
    assert figures["over_popular.recall_20"].low > 0
    over = figures["returning.ndcg_20"].value - figures["popular.ndcg_20"].value
    assert over == pytest.approx(figures["over_popular.ndcg_20"].value)


def test_without_anybody_who_came_back_there_are_no_figures() -> None:
    assert compare_orders([], {}, {"returning": {}}, "returning", seed=0) == {}
