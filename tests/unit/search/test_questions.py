from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
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
