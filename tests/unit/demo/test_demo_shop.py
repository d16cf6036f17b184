"""The demo shop is believable, the same for the same seed, and its truth can be found again in its events."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice, pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event
from ingestion.contracts.rejection import Rejection
from ingestion.contracts.taxonomy import tree_problems
from shopfloor.demo.behaviour import Memory
from shopfloor.demo.catalogue import NEW_LINE_DAYS, category_id_of
from shopfloor.demo.mishaps import Delivery
from shopfloor.demo.shop import DemoShop
from shopfloor.demo.visits import visits

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop() -> DemoShop:
    return DemoShop.create(seed=7, scale=0.5)


@pytest.fixture(scope="module")
def deliveries(shop: DemoShop) -> list[Delivery]:
    return list(shop.events(NOW))


@pytest.fixture(scope="module")
def read(deliveries: list[Delivery]) -> list[ReceivedEvent | Rejection]:
    return [read_event(d.value, datetime.fromtimestamp(d.received, UTC)) for d in deliveries]


def distinct(read: list[ReceivedEvent | Rejection]) -> list[ReceivedEvent]:
    return list({event.event_id: event for event in read if isinstance(event, ReceivedEvent)}.values())


class TestTheShop:
    def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(self) -> None:
        def start(seed: int) -> list[Any]:
            shop = DemoShop.create(seed, scale=0.1)
            return [*shop.categories(), *islice(shop.products(NOW), 50), *islice(shop.events(NOW), 500)]

        assert start(1) == start(1)
        assert start(1) != start(2)

    def test_categories_are_one_tree_of_three_levels_with_every_product_in_a_leaf(self, shop: DemoShop) -> None:
        categories = shop.categories()
        assert not list(tree_problems(categories))
        depths = Counter(category.category_id.count("/") for category in categories)
        assert 70 <= depths[2] <= 100
        assert set(depths) == {0, 1, 2}
        leaves = {c.category_id for c in categories if c.category_id.count("/") == 2}
        assert {product.category_id for product in shop.products(NOW)} == leaves

    def test_product_names_are_unique_and_prices_are_in_the_markets_currency(self, shop: DemoShop) -> None:
        assert len(set(shop.catalogue.names)) == shop.catalogue.n_items
        currencies = {(p.market, p.currency) for p in shop.products(NOW)}
        assert currencies == {("DE", "EUR"), ("CH", "CHF"), ("SE", "SEK"), ("GB", "GBP")}
        assert all(p.price and p.price > 0 for p in shop.products(NOW))

    def test_a_full_shop_has_more_than_a_hundred_thousand_events(self) -> None:
        assert 100_000 <= sum(1 for _ in DemoShop.create(seed=42).events(NOW)) <= 150_000


class TestItsEvents:
    def test_come_in_the_order_of_arrival_and_end_at_now(self, deliveries: list[Delivery]) -> None:
        assert all(earlier.received <= later.received for earlier, later in pairwise(deliveries))
        assert NOW.timestamp() - 3600 < deliveries[-1].received <= NOW.timestamp()

    def test_hold_some_that_the_contract_refuses_and_some_that_come_twice(
        self, read: list[ReceivedEvent | Rejection]
    ) -> None:
        refused = [r for r in read if isinstance(r, Rejection)]
        assert 0.001 < len(refused) / len(read) < 0.006
        assert len({str(r)[:12] for r in refused}) >= 5
        assert len(distinct(read)) < len(read) - len(refused)

    def test_hold_late_ones_and_ones_from_a_wrong_clock(self, read: list[ReceivedEvent | Rejection]) -> None:
        flags = Counter(flag for event in distinct(read) for flag in event.quality_flags)
        assert flags["late"] > 20
        assert flags["clock_skew"] > 20

    def test_name_only_products_that_the_customers_market_sells_and_that_were_launched(
        self, shop: DemoShop, read: list[ReceivedEvent | Rejection]
    ) -> None:
        sold = {(p.item_id, p.market): p.published_at for p in shop.products(NOW)}
        viewed = [(e, i.item_id) for e in distinct(read) if e.event_name == "view_item" for i in e.items]
        assert viewed
        for event, item_id in viewed:
            launched = sold[item_id, event.market]
            assert launched is not None
            assert launched.date() <= event.event_time.date()

    def test_show_the_new_line_in_the_last_days_only(
        self, shop: DemoShop, read: list[ReceivedEvent | Rejection]
    ) -> None:
        ages = dict(zip(shop.catalogue.item_ids, shop.catalogue.age_days, strict=True))
        new = [e for e in distinct(read) if any(ages[i.item_id] == NEW_LINE_DAYS for i in e.items if i.price)]
        assert len(new) > 20
        assert all((NOW - e.event_time).days <= NEW_LINE_DAYS for e in new)

    def test_a_visitor_is_anonymous_before_the_login_and_known_after_it(
        self, read: list[ReceivedEvent | Rejection]
    ) -> None:
        by_session: dict[str, list[ReceivedEvent]] = {}
        for event in distinct(read):
            by_session.setdefault(event.session_id or "", []).append(event)
        logins = [session for session in by_session.values() if any(e.event_name == "login" for e in session)]
        assert len(logins) > 100
        whole = [s for s in logins if not any(e.quality_flags or e.event_name == "refund" for e in s)]
        for session in whole:
            story = sorted(session, key=lambda event: event.event_time)
            at = next(n for n, event in enumerate(story) if event.event_name == "login")
            assert all(event.user_id is None for event in story[:at])
            assert all(event.user_id for event in story[at:])

    def test_the_value_of_an_order_is_the_sum_of_its_lines(self, read: list[ReceivedEvent | Rejection]) -> None:
        orders = [event for event in distinct(read) if event.event_name == "purchase"]
        assert len(orders) > 300
        for order in orders:
            assert order.value == pytest.approx(sum((i.price or 0) * (i.quantity or 1) for i in order.items), abs=0.01)

    def test_popularity_has_a_head_and_a_long_tail(self, shop: DemoShop, read: list[ReceivedEvent | Rejection]) -> None:
        views = Counter(i.item_id for e in distinct(read) if e.event_name == "view_item" for i in e.items)
        counts = sorted(views.values(), reverse=True)
        assert 0.25 < sum(counts[: shop.catalogue.n_items // 10]) / sum(counts) < 0.7


class TestItsTruth:
    def test_probabilities_are_probabilities(self, shop: DemoShop) -> None:
        memory = Memory.blank(len(shop.population), len(shop.catalogue.leaves))
        view = shop.behaviour.view_probabilities(3, 60, NOW, memory)
        buy = shop.behaviour.purchase_probabilities(3, 60, NOW, memory)
        assert view.sum() == pytest.approx(1)
        assert np.all(buy <= view)
        assert np.all(buy[view > 0] > 0)

    def test_first_views_happen_as_often_as_the_truth_says(self, shop: DemoShop) -> None:
        """Calibration: expected and observed number of first views, by category, agree within sampling error."""
        behaviour, seen, expected = shop.behaviour, np.zeros(len(shop.catalogue.leaves)), 0.0
        memory = Memory.blank(len(shop.population), len(shop.catalogue.leaves))
        first_days = list(islice(visits(behaviour, np.random.default_rng(0), NOW), 1))
        for day in first_days:
            seen += np.bincount(shop.catalogue.leaf[day.item[:, 0]], minlength=len(seen))
            expected = expected + behaviour.leaf_probabilities(day.customer, 0, day.midnight, memory).sum(axis=0)
        surprise = (seen - expected) / np.sqrt(np.maximum(expected, 0.5))
        assert np.abs(surprise).max() < 4.5
        assert np.mean(surprise**2) < 2

    def test_who_bought_a_tent_looks_for_a_sleeping_bag(self, shop: DemoShop) -> None:
        names = [leaf.name for leaf in shop.catalogue.leaves]
        tent, bag = names.index("Trekking Tents"), names.index("Sleeping Bags")
        memory = Memory.blank(len(shop.population), len(names))
        before = shop.behaviour.leaf_probabilities(np.array([5]), 40, NOW, memory)[0]
        memory.day[5, tent] = 38
        after = shop.behaviour.leaf_probabilities(np.array([5]), 40, NOW, memory)[0]
        assert after[bag] > 2 * before[bag]
        assert after[tent] < before[tent]

    def test_a_consumable_is_wanted_again_when_it_is_used_up_and_the_same_one(self, shop: DemoShop) -> None:
        names = [leaf.name for leaf in shop.catalogue.leaves]
        bars = names.index("Energy Bars")
        item = int(shop.behaviour.items_of_leaf[bars, 0])
        memory = Memory.blank(len(shop.population), len(names))
        memory.day[5, bars], memory.item[5, bars] = 20, item

        def probability(day: int) -> float:
            return float(shop.behaviour.view_probabilities(5, day, NOW, memory)[item])

        gap = shop.catalogue.leaves[bars].gap
        assert probability(20 + gap) > 5 * probability(20 + 2)
        assert probability(20 + gap) > 5 * probability(20 + 2 * gap)

    def test_summer_things_sell_in_summer(self, shop: DemoShop) -> None:
        names = [leaf.name for leaf in shop.catalogue.leaves]
        swim, memory = names.index("Swimwear"), Memory.blank(len(shop.population), len(names))
        everyone = np.arange(len(shop.population))
        july, january = (
            shop.behaviour.leaf_probabilities(everyone, 40, datetime(2026, month, 15, tzinfo=UTC), memory)[
                :, swim
            ].mean()
            for month in (7, 1)
        )
        assert july > 3 * january


def test_a_category_id_is_readable() -> None:
    assert (
        category_id_of(("Food & Care", "Trail Food", "Freeze-Dried Meals")) == "food-care/trail-food/freeze-dried-meals"
    )


def test_a_delivery_carries_its_customers_key(deliveries: list[Delivery]) -> None:
    event = next(d for d in deliveries if b'"user_id":"c' in d.value and d.value.endswith(b"}"))
    assert event.key.decode() == "u:" + msgspec.json.decode(event.value)["user_id"]
