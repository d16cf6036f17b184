"""Buy again."""

from pathlib import Path

import numpy as np
import pandas as pd

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite, numbers
from training.candidates.buy_again import BuyAgain, BuyAgainSettings, BuyAgainWhenDue
from training.interactions import History, Interactions, from_frame

DAY = 86_400
OWN_ONLY = BuyAgainSettings(group=0)


class TestBuyAgain(CandidateSuite):
    model = BuyAgain


class TestBuyAgainWhenDue(CandidateSuite):
    model = BuyAgainWhenDue


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


def a_habit(item: str, gap: int, customers: int = 30) -> list[tuple[str, int, str]]:
    """Customers who each buy an item three times, ``gap`` days apart."""
    return [(f"{item} {number}", number + gap * order, item) for number in range(customers) for order in range(3)]


def at(shop: Interactions, now: int, *purchases: tuple[int, str]) -> History:
    """A customer's purchases as (day, item), asked on day ``now``."""
    items = numbers(shop, *(item for _, item in purchases))
    return History(
        item=np.array(items, np.int32),
        kind=np.full(len(items), Kind.BUY, np.int8),
        time=np.array([day * DAY for day, _ in purchases], np.int64),
        in_session=np.zeros(len(items), np.bool_),
        now=now * DAY,
    )


class TestWhenDue:
    shop = orders(*a_habit("detergent", 60), *a_habit("milk", 7))
    habits = ((0, "detergent"), (1, "milk"), (60, "detergent"), (93, "milk"), (119, "detergent"))

    def test_what_was_bought_yesterday_and_lasts_sixty_days_does_not_lead(self) -> None:
        history = at(self.shop, 120, *self.habits)
        plain, due = (model.fit(self.shop).propose(history, 2) for model in (BuyAgain, BuyAgainWhenDue))
        assert self.shop.item_ids[plain.item].tolist() == ["detergent", "milk"]
        assert self.shop.item_ids[due.item].tolist() == ["milk", "detergent"]

    def test_it_leads_again_when_it_may_be_used_up(self) -> None:
        answer = BuyAgainWhenDue.fit(self.shop).propose(at(self.shop, 175, *self.habits), 2)
        assert self.shop.item_ids[answer.item].tolist() == ["detergent", "milk"]

    def test_each_item_has_its_own_pause_drawn_to_that_of_all(self) -> None:
        pauses = BuyAgainWhenDue.fit(self.shop).pauses
        assert pauses is not None
        detergent, milk = pauses.usual[numbers(self.shop, "detergent", "milk")]
        assert 7 < milk < 14
        assert 35 < detergent < 60

    def test_a_shop_to_which_nobody_came_twice_looks_at_no_pauses(self) -> None:
        shop = orders(("anna", 1, "tea"), ("ben", 1, "milk"))
        model = BuyAgainWhenDue.fit(shop)
        assert model.pauses is None
        assert shop.item_ids[model.propose(at(shop, 2, (1, "tea")), 1).item].tolist() == ["tea"]

    def test_pauses_survive_the_bundle_and_a_bundle_without_them_is_read(self, tmp_path: Path) -> None:
        history = at(self.shop, 120, *self.habits)
        for model in (BuyAgainWhenDue.fit(self.shop), BuyAgain.fit(self.shop)):
            folder = tmp_path / model.name
            folder.mkdir()
            model.save(folder)
            again = type(model).load(folder).propose(history, 2)
            assert again.score.tolist() == model.propose(history, 2).score.tolist()
