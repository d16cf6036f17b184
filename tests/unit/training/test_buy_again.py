"""Buy again."""

import numpy as np
import pandas as pd

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite, numbers
from training.candidates.buy_again import BuyAgain, BuyAgainSettings
from training.interactions import History, Interactions, from_frame

DAY = 86_400
OWN_ONLY = BuyAgainSettings(group=0)


class TestBuyAgain(CandidateSuite):
    model = BuyAgain


def orders(*baskets: tuple[str, int, str]) -> Interactions:
    """(customer, day, items parted by spaces)"""
    return from_frame(
        pd.DataFrame(
            [
                {"user": user, "session": f"{user} {day}", "item": item, "event": Kind.BUY, "time": day * DAY}
                for user, day, items in baskets
                for item in items.split()
            ]
        )
    )


def bought(shop: Interactions, *baskets: str) -> History:
    items = [(item, day) for day, basket in enumerate(baskets) for item in numbers(shop, *basket.split())]
    return History(
        item=np.array([item for item, _ in items], np.int32),
        kind=np.full(len(items), Kind.BUY, np.int8),
        time=np.array([day * DAY for _, day in items], np.int64),
        in_session=np.zeros(len(items), np.bool_),
        now=len(baskets) * DAY,
    )


def test_what_was_ordered_twice_comes_before_what_was_ordered_once() -> None:
    shop = orders(("anna", 1, "milk bread"), ("ben", 1, "rice"))
    answer = BuyAgain.fit(shop, settings=OWN_ONLY).propose(bought(shop, "milk", "milk bread"), 3)
    assert shop.item_ids[answer.item].tolist() == ["milk", "bread"]


def test_milk_comes_back_and_a_kettle_does_not() -> None:
    milk = [(f"u{user}", day, "milk") for user in range(30) for day in (1, 2)]
    kettle = [(f"v{user}", 1, "kettle") for user in range(30)]
    shop = orders(*milk, *kettle)
    answer = BuyAgain.fit(shop, settings=OWN_ONLY).propose(bought(shop, "kettle milk"), 1)
    assert shop.item_ids[answer.item].tolist() == ["milk"]


def test_an_old_habit_fades_behind_a_new_one() -> None:
    shop = orders(("anna", 1, "tea coffee"))
    answer = BuyAgain.fit(shop, settings=OWN_ONLY).propose(bought(shop, "tea", "tea", "coffee", "coffee"), 1)
    assert shop.item_ids[answer.item].tolist() == ["coffee"]


def test_a_short_list_is_filled_with_what_everybody_orders_and_gives_no_reason_for_it() -> None:
    shop = orders(("anna", 1, "tea"), ("ben", 1, "milk"), ("carl", 2, "milk"), ("dora", 2, "rice"))
    model = BuyAgain.fit(shop)
    history = bought(shop, "tea")
    assert set(shop.item_ids[model.propose(history, 2).item]) == {"milk", "tea"}
    assert model.because(history, numbers(shop, "milk")[0]) is None
    assert model.because(history, numbers(shop, "tea")[0]) == 0


def test_a_customer_who_only_looked_gets_nothing() -> None:
    shop = orders(("anna", 1, "tea"))
    assert len(BuyAgain.fit(shop).propose(History.of([0], Kind.VIEW), 5).item) == 0


def test_one_line_twice_in_an_order_is_one_purchase_of_it() -> None:
    shop = orders(("anna", 1, "tea"), ("ben", 1, "milk"))
    answer = BuyAgain.fit(shop, settings=OWN_ONLY).propose(bought(shop, "tea tea tea milk", "milk"), 1)
    assert shop.item_ids[answer.item].tolist() == ["milk"]
