from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import MAX_INTERACTIONS, Kind
from feature_repo.errors import BadInput
from training.interactions import Interactions, from_frame
from training.search.questions import CART, HOME, PRODUCT, RETURNING, TOGETHER, Fold, fold

VIEW, PUT, BUY = int(Kind.VIEW), int(Kind.CART), int(Kind.BUY)


def visits(*each: dict[str, Any]) -> Interactions:
    """Visits an hour apart, of items by (id, kind)."""
    return from_frame(
        pd.DataFrame(
            [
                {"user": visit["user"], "session": number, "item": item, "event": kind, "time": 3600 * number + step}
                for number, visit in enumerate(each)
                for step, (item, kind) in enumerate(visit["items"])
            ]
        )
    )


def a_fold(last: dict[str, Any]) -> Fold:
    """The last of ten visits is asked about."""
    usual = [{"user": f"u{n % 3}", "items": [("a", VIEW), ("b", VIEW), ("b", BUY)]} for n in range(9)]
    return fold(visits(*usual, last), share=0.1, most=100, seed=0)


LAST = {"user": "u0", "items": [("a", VIEW), ("a", PUT), ("b", VIEW), ("c", PUT), ("c", BUY)]}


class TestFold:
    def test_everything_asked_came_after_everything_learnt(self) -> None:
        found = a_fold(LAST)
        assert found.earlier.time.max() < 3600 * 9
        assert all(question.history.now >= 3600 * 9 for asked in found.asked.values() for question in asked)

    def test_a_visit_that_began_before_is_asked_about_only_for_what_came_after(self) -> None:
        usual = [("u1", number, item, 100 * number) for number in range(1, 9) for item in ("a", "b")]
        long = [("u0", 0, "a", 50)] + [("u0", 9, item, time) for item, time in (("a", 750), ("b", 1_000), ("c", 1_100))]
        rows = pd.DataFrame([*usual, *long], columns=["user", "session", "item", "time"]).assign(event=BUY)
        found = fold(from_frame(rows), share=0.1, most=100, seed=0)
        assert found.earlier.time.max() == 800
        assert [(q.history.item.tolist(), q.relevant.tolist()) for q in found.asked[HOME]] == [
            ([0, 0], [1]),
            ([0, 0, 1], [2]),
        ]
        assert [len(found.asked[name]) for name in (RETURNING, CART, TOGETHER)] == [0, 0, 0]

    def test_the_lines_of_one_order_are_one_moment(self) -> None:
        usual = [("u1", visit, item, VIEW, 3_600 * visit) for visit in range(9) for item in "abc"]
        at_once = [("u1", 20, item, BUY, 36_000) for item in "abc"]
        looked_first = [("u2", 21, "c", VIEW, 36_000), *(("u2", 21, item, BUY, 36_005) for item in "abc")]
        rows = pd.DataFrame([*usual, *at_once, *looked_first], columns=["user", "session", "item", "event", "time"])
        asked = fold(from_frame(rows), share=0.15, most=100, seed=0).asked
        assert [(q.history.item.tolist(), q.relevant.tolist()) for q in asked[HOME]] == [([2], [0, 1, 2])]
        assert [(q.history.item.tolist(), q.relevant.tolist()) for q in asked[PRODUCT]] == [([2], [0, 1])]
        assert [len(q.relevant) + len(np.unique(q.hidden)) for q in asked[CART]] == [3, 3]

    def test_a_cart_whose_lines_bear_one_time_is_filled_in_any_order(self) -> None:
        rows = [(f"u{visit % 20}", visit, item, BUY, 3_600 * visit) for visit in range(60) for item in "abc"]
        board = from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "event", "time"]))
        asked = fold(board, share=0.4, most=100, seed=0).asked[CART]
        assert {int(question.hidden[0]) for question in asked} == {0, 1, 2}

    @pytest.mark.parametrize("seed", range(5))
    def test_in_a_shop_of_visits_side_by_side_nobody_knows_what_is_to_come(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        opens, users = rng.integers(0, 100_000, 120), rng.integers(0, 15, 120)
        rows = [
            {"user": int(user), "session": number, "item": int(rng.integers(8)), "event": int(kind), "time": int(time)}
            for number, (user, opened) in enumerate(zip(users, opens, strict=True))
            for kind, time in zip(
                rng.choice((VIEW, PUT, BUY), 6), opened + np.cumsum(rng.integers(1, 3_000, 6)), strict=True
            )
        ]
        found = fold(from_frame(pd.DataFrame(rows)), share=0.3, most=1000, seed=0)
        learnt_until = found.earlier.time.max()
        for name, asked in found.asked.items():
            assert asked, name
            for question in asked:
                history = question.history
                assert history.now > learnt_until
                assert (history.time <= history.now).all()
                assert np.isin(question.relevant, question.hidden).sum() == 0

    def test_of_a_long_past_all_placements_know_what_online_features_keep(self) -> None:
        looks = [("other", VIEW)] * MAX_INTERACTIONS
        before = {"user": "u0", "items": [("old love", BUY), ("old glance", VIEW), *looks]}
        usual = [{"user": "u1", "items": [("a", VIEW), ("b", VIEW)]} for _ in range(8)]
        board = visits(before, *usual, LAST)
        found = fold(board, share=0.1, most=100, seed=0)
        for name in (HOME, RETURNING, CART):
            history = found.asked[name][0].history
            known = board.item_ids[history.item[~history.in_session]].tolist()
            assert known[:2] == ["old love", "other"], name
            assert "old glance" not in known, name

    def test_home_asks_within_the_visit_for_the_next_click(self) -> None:
        asked = a_fold(LAST).asked[HOME]
        assert [question.relevant.tolist() for question in asked] == [[0], [1], [2], [2]]
        assert all(question.history.in_session.any() for question in asked)

    def test_product_knows_the_item_in_view_alone_and_asks_for_another(self) -> None:
        asked = a_fold(LAST).asked[PRODUCT]
        assert [(q.history.item.tolist(), q.relevant.tolist()) for q in asked] == [([0], [1]), ([1], [2])]
        assert [question.hidden.tolist() for question in asked] == [[0], [1]]

    def test_cart_asks_for_what_is_not_in_it_yet(self) -> None:
        (question,) = a_fold(LAST).asked[CART]
        assert (question.relevant.tolist(), question.hidden.tolist()) == ([2], [0])
        kinds = question.history.kind[question.history.in_session]
        assert question.history.item[question.history.in_session].tolist() == [0, 0, 1]
        assert kinds.tolist() == [VIEW, PUT, VIEW]

    def test_bought_together_asks_one_item_for_the_rest_of_the_cart(self) -> None:
        (question,) = a_fold(LAST).asked[TOGETHER]
        assert sorted([*question.history.item.tolist(), *question.relevant.tolist()]) == [0, 2]
        assert question.history.kind.tolist() == [PUT]

    def test_who_comes_back_is_asked_for_their_next_order(self) -> None:
        (question,) = a_fold(LAST).asked[RETURNING]
        assert question.relevant.tolist() == [2]
        assert not question.history.in_session.any()

    def test_a_visit_without_a_cart_asks_nothing_of_it(self) -> None:
        asked = a_fold({"user": "u1", "items": [("a", VIEW), ("b", VIEW)]}).asked
        assert (len(asked[HOME]), len(asked[CART]), len(asked[TOGETHER]), len(asked[RETURNING])) == (1, 0, 0, 0)

    def test_the_same_seed_asks_the_same(self) -> None:
        one, other = a_fold(LAST), a_fold(LAST)
        for name in one.asked:
            assert [q.relevant.tolist() for q in one.asked[name]] == [q.relevant.tolist() for q in other.asked[name]]

    @pytest.mark.parametrize("sessions", [0, 1])
    def test_too_few_visits_are_told(self, sessions: int) -> None:
        board = visits({"user": "u", "items": [("a", VIEW), ("b", VIEW)]}, LAST)
        with pytest.raises(BadInput, match="too few to search on"):
            fold(board.part(np.asarray(board.session) < sessions), 0.1, 100, 0)
