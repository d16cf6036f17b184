"""The simulated months: what counts as a success, what is learnt from it, and that equal policies come out equal."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from benchmarks.retention import (
    BASELINE,
    EVERY,
    bought_and_came_back,
    clicks,
    figures,
    learnt,
    policies,
    tally,
)
from benchmarks.simulation import LENGTH, NOW, WARM_UP, Lists, Months, Policy, simulate
from shopfloor.demo.shop import DemoShop
from shopfloor.demo.visits import MAX_VIEWS, SHOWN, DayOfVisits

Make = Callable[..., None]


@pytest.fixture(scope="module")
def shop() -> DemoShop:
    return DemoShop.create(seed=7, scale=0.05, days=WARM_UP + 35)


def a_day(customer: int, item: int, bought: bool) -> DayOfVisits:
    """One customer who took an item from the list."""
    viewed = np.full((1, MAX_VIEWS), -1, dtype=np.int64)
    viewed[0, 0] = item
    carted = np.zeros((1, MAX_VIEWS), dtype=np.bool_)
    carted[0, 0] = bought
    came_from = np.full((1, MAX_VIEWS), SHOWN, dtype=np.int64)
    who, start, well = np.array([customer]), np.array([36_000.0]), np.array([0.5])
    return DayOfVisits(NOW + timedelta(days=0), who, start, viewed, came_from, carted, np.array([bought]), well)


def a_list(day: int, *items: int) -> Lists:
    item = np.full((1, LENGTH), -1, dtype=np.int64)
    item[0, : len(items)] = items
    return Lists(day, item, np.zeros((1, LENGTH, len(EVERY)), np.float32))


class TestSuccess:
    @pytest.fixture
    def months(self, shop: DemoShop) -> Months:
        """Customer 3 buys the second item shown and comes back after 20 days; customer 4 never does."""
        months = Months(shop)
        for number, customer in ((60, 3), (61, 4), (80, 3)):
            months.lists[number] = a_list(number, 10, 11)
            months.add(number, a_day(customer, 11, bought=True))
        return months

    def test_a_click_is_known_at_once(self, months: Months) -> None:
        judged = dict(clicks(months, 81))
        assert sorted(judged) == [60, 61, 80]
        assert np.flatnonzero(judged[60]).tolist() == [1]

    def test_a_return_is_judged_only_when_its_days_are_over(self, months: Months) -> None:
        assert dict(bought_and_came_back(months, 88)) == {}
        judged = dict(bought_and_came_back(months, 95))
        assert {number: bool(good.any()) for number, good in judged.items()} == {60: True, 61: False}

    def test_what_was_clicked_and_not_bought_is_no_success(self, shop: DemoShop) -> None:
        months = Months(shop)
        months.lists[60] = a_list(60, 10, 11)
        months.add(60, a_day(3, 11, bought=False))
        months.add(70, a_day(3, 11, bought=False))
        assert [good.any() for _, good in bought_and_came_back(months, 95)] == [np.False_]


class TestLearning:
    def test_the_model_whose_items_succeed_gets_the_weight(self, shop: DemoShop) -> None:
        """Half of the items come from the second model, and only they are ever clicked."""
        months, rng = Months(shop), np.random.default_rng(0)
        for number in range(60, 90):
            by_second = rng.random(LENGTH) < 0.5
            score = np.zeros((1, LENGTH, len(EVERY)), np.float32)
            score[0, by_second, 1], score[0, ~by_second, 0] = 1.0, 1.0
            months.lists[number] = Lists(number, np.arange(LENGTH)[None] + 20, score)
            clicked = int(rng.choice(np.flatnonzero(by_second))) if by_second.any() else 0
            months.add(number, a_day(3, 20 + clicked, bought=False))
        weights = learnt(clicks, months, 90)
        first, second = list(EVERY)[:2]
        assert weights[second] == 1.0
        assert weights[first] < 0.2

    def test_without_any_success_all_models_count_alike(self, shop: DemoShop) -> None:
        assert learnt(clicks, Months(shop), 90) == EVERY


class TestMonths:
    def test_what_is_known_of_a_customer_is_what_happened_before(self, shop: DemoShop) -> None:
        months = Months(shop)
        months.add(0, a_day(3, 11, bought=True))
        history = months.history(3, int(NOW.timestamp()) + 86_400)
        assert history.item.tolist() == [11, 11, 11]
        assert not history.in_session.any()
        assert len(months.history(4, 0).item) == 0
        assert len(months.interactions()) == 3

    def test_two_names_for_one_policy_come_out_equal_and_another_differs(self, shop: DemoShop) -> None:
        popular = {"popular": 1.0}
        tallies = {
            name: tally(simulate(shop, Policy(name, weights), 1))
            for name, weights in ((BASELINE, popular), ("the same", popular), ("nothing", {}))
        }
        assert np.array_equal(tallies[BASELINE].sums, tallies["the same"].sums)
        assert not np.array_equal(tallies[BASELINE].sums, tallies["nothing"].sums)
        same = next(figure for figure in figures(tallies) if figure.what.endswith("the same"))
        assert "+0.000 (+0.000 to +0.000)" in same.note

    def test_nothing_is_shown_before_the_first_models_are_there_and_only_what_the_market_sells_after(
        self, shop: DemoShop
    ) -> None:
        months = simulate(shop, Policy("popular", {"popular": 1.0}), 1)
        assert min(months.lists) >= WARM_UP
        days = dict(months.days)
        for number, lists in months.lists.items():
            market = shop.population.market[days[number].customer]
            shown = lists.item >= 0
            row = np.nonzero(shown)[0]
            assert shop.catalogue.sold[lists.item[shown], market[row]].all()

    def test_each_policy_has_its_own_name_and_one_is_the_baseline(self) -> None:
        names = [policy.name for policy in policies()]
        assert len(set(names)) == len(names)
        assert BASELINE in names
