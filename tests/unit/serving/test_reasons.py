"""Why an item is in an answer, in words."""

from typing import Any, cast

import numpy as np
import pytest

from feature_repo.activity import Kind
from serving.placements import PLACEMENTS
from serving.reasons import BUY_AGAIN, POPULAR, Cause, because_each, reason
from training.interactions import History

HOME, PRODUCT, TOGETHER = (PLACEMENTS[name] for name in ("home", "product", "bought-together"))


class Always:
    """A model that names the first item of the history for everything."""

    def because(self, history: History, item: int) -> int | None:
        return 0


def bundle() -> Any:
    return cast(Any, type("Bundle", (), {"models": {"als": Always(), BUY_AGAIN: Always()}}))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Kind.VIEW, "you viewed it lately"),
        (Kind.WISH, "it is on your wish list"),
        (Kind.CART, "it is in your cart"),
        (Kind.BUY, "you bought it before"),
    ],
)
def test_an_item_of_the_history_is_not_explained_by_itself(kind: Kind, words: str) -> None:
    assert reason("als", HOME, Cause("Tea", kind, itself=True), "DE") == words


def test_another_item_is_named() -> None:
    assert reason("als", HOME, Cause("Tea", Kind.BUY, itself=False), None) == "because you bought Tea"
    assert reason("als", TOGETHER, Cause("Tea", Kind.CART, itself=False), None) == "often bought together with Tea"


def test_what_neighbours_did_is_not_claimed_to_be_a_view() -> None:
    words = reason("covisitation", PRODUCT, Cause("Tea", Kind.VIEW, itself=False), None)
    assert words == "chosen by customers who also chose Tea"


def test_what_everybody_buys_is_not_said_to_have_been_bought_before() -> None:
    assert reason(BUY_AGAIN, HOME, None, "DE") == reason(POPULAR, HOME, None, "DE") == "popular in DE"
    assert reason(BUY_AGAIN, HOME, None, None) == "popular in the shop"


def test_the_strongest_and_latest_touch_of_the_item_itself_speaks_for_it() -> None:
    history = History(
        item=np.array([5, 3, 3, 3, 5], np.int32),
        kind=np.array([Kind.VIEW, Kind.BUY, Kind.BUY, Kind.VIEW, Kind.VIEW], np.int8),
        time=np.arange(5, dtype=np.int64),
        in_session=np.zeros(5, np.bool_),
    )
    assert because_each(bundle(), history, [("als", 3), ("als", 5), ("als", 9), (BUY_AGAIN, 9)]) == [2, 4, 0, None]
