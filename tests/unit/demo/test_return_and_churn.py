"""Customers of the demo shop come back when something runs out and when a visit was good, and some leave for good."""

from datetime import UTC, datetime

import numpy as np
import pytest

from shopfloor.demo.behaviour import Memory
from shopfloor.demo.catalogue import Floats, Ints
from shopfloor.demo.satisfaction import satisfaction
from shopfloor.demo.shop import DemoShop
from shopfloor.demo.visits import MAX_VIEWS, SHOWN, DayOfVisits, visits

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
EVERYBODY = np.arange(200)


@pytest.fixture(scope="module")
def shop() -> DemoShop:
    return DemoShop.create(seed=7, scale=0.2)


@pytest.fixture
def memory(shop: DemoShop) -> Memory:
    return Memory.blank(len(shop.population), len(shop.catalogue.leaves))


@pytest.fixture(scope="module")
def history(shop: DemoShop) -> list[DayOfVisits]:
    return list(visits(shop.behaviour, np.random.default_rng(1), NOW))


def a_visit(shop: DemoShop, viewed: list[int], carted_at: int | None) -> float:
    item = np.full((1, MAX_VIEWS), -1, dtype=np.int64)
    item[0, : len(viewed)] = viewed
    carted = np.zeros((1, MAX_VIEWS), dtype=np.bool_)
    if carted_at is not None:
        carted[0, carted_at] = True
    return float(satisfaction(shop.behaviour, np.array([3]), item, carted)[0])


class TestSatisfaction:
    def test_found_at_once_is_better_than_found_late_and_that_better_than_searched_in_vain(
        self, shop: DemoShop
    ) -> None:
        viewed = [11] * 5
        at_once, late, in_vain = (a_visit(shop, viewed, at) for at in (0, 4, None))
        assert 1 > at_once > late > in_vain > 0

    def test_what_suits_the_customer_satisfies_more_than_what_does_not(self, shop: DemoShop) -> None:
        items = np.arange(shop.catalogue.n_items)
        suits = shop.behaviour.fit(np.full(len(items), 3), items[:, None])[:, 0]
        assert a_visit(shop, [int(suits.argmax())], None) > a_visit(shop, [int(suits.argmin())], None)

    def test_a_usual_visit_is_in_the_middle(self, history: list[DayOfVisits]) -> None:
        assert 0.4 < np.concatenate([day.satisfaction for day in history]).mean() < 0.65


class TestReturn:
    def test_a_good_visit_brings_a_customer_back_sooner(self, shop: DemoShop, memory: Memory) -> None:
        memory.satisfaction[:] = 0.9
        good = shop.behaviour.visit_probability(60, False, memory)[EVERYBODY]
        memory.satisfaction[:] = 0.1
        bad = shop.behaviour.visit_probability(60, False, memory)[EVERYBODY]
        assert np.all(good > bad)
        assert 2 < good.mean() / bad.mean() < 4

    def test_who_has_left_never_comes_again(self, shop: DemoShop, memory: Memory) -> None:
        memory.gone[5] = True
        assert shop.behaviour.visit_probability(60, False, memory)[5] == 0

    def test_something_that_runs_out_brings_a_customer_back(self, shop: DemoShop, memory: Memory) -> None:
        leaf = next(number for number, leaf in enumerate(shop.catalogue.leaves) if leaf.gap)
        memory.day[5, leaf] = 60 - shop.catalogue.leaves[leaf].gap
        due = shop.behaviour.visit_probability(60, False, memory)
        memory.day[5, leaf] = 59
        assert due[5] > 2 * shop.behaviour.visit_probability(60, False, memory)[5]


class TestChurn:
    def test_a_bad_visit_drives_away(self, shop: DemoShop) -> None:
        bad, good = (shop.behaviour.leave_probabilities(EVERYBODY, np.full(200, level)) for level in (0.1, 0.9))
        assert np.all(bad > good)
        assert bad.max() <= 1

    def test_most_customers_leave_in_the_end_and_many_stay_for_months(self, shop: DemoShop) -> None:
        """Half of those who came in the first week are gone at the end of a year, and some still come."""
        year = DemoShop.create(seed=7, scale=0.2, days=365)
        days = list(visits(year.behaviour, np.random.default_rng(1), NOW))
        early = np.unique(np.concatenate([day.customer for day in days[:7]]))
        late = np.unique(np.concatenate([day.customer for day in days[-60:]]))
        assert 0.1 < np.isin(early, late).mean() < 0.7


class TestShowing:
    def test_the_same_customers_come_on_the_first_day_whatever_is_shown(self, shop: DemoShop) -> None:
        def nothing(customers: Ints, start: Floats, day: int, midnight: datetime) -> Ints:
            return np.full((len(customers), 3), -1, dtype=np.int64)

        plain = next(visits(shop.behaviour, np.random.default_rng(1), NOW))
        shown = next(visits(shop.behaviour, np.random.default_rng(1), NOW, nothing))
        assert np.array_equal(plain.customer, shown.customer)
        assert np.array_equal(plain.item, shown.item)

    def test_what_a_customer_wants_anyway_is_taken_from_the_list_and_what_nobody_wants_is_not(
        self, shop: DemoShop
    ) -> None:
        behaviour = shop.behaviour
        memory = Memory.blank(len(shop.population), len(shop.catalogue.leaves))

        def taken(best_first: bool) -> float:
            def lists(customers: Ints, start: Floats, day: int, midnight: datetime) -> Ints:
                truth = [behaviour.view_probabilities(int(one), day, midnight, memory) for one in customers]
                return np.argsort(-np.array(truth) if best_first else np.array(truth), axis=1)[:, :10]

            first = next(visits(behaviour, np.random.default_rng(1), NOW, lists))
            return float((first.came_from[:, 0] == SHOWN).mean())

        assert taken(best_first=True) > 0.3
        assert taken(best_first=False) < 0.02
