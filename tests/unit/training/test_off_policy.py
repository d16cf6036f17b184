"""Estimates from logs, by hand and against the demo shop, whose true behaviour is known."""

import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from serving.exploration import explored
from shopfloor.demo.behaviour import Memory
from shopfloor.demo.shop import DemoShop
from training.off_policy import NOTHING, Estimates, LoggedSlots, Reals, estimate, predicted

SHOWN, POOL = 4, 10
NOTICED = np.array([1.0, 0.7, 0.5, 0.4])
"""How likely each position is looked at."""


def slots_of(*rows: tuple[int, int, int, float, float, int, int]) -> LoggedSlots:
    """Rows of answer, position, item, propensity, reward, challenger, customer."""
    answer, position, item, propensity, reward, challenger, customer = np.array(rows).T
    numbers = [column.astype(np.int32) for column in (answer, position, item, challenger, customer)]
    return LoggedSlots(numbers[0], numbers[1], numbers[2], propensity, reward, numbers[3], numbers[4])


class TestByHand:
    def test_a_reward_counts_by_how_rarely_its_item_was_shown(self) -> None:
        slots = slots_of((0, 0, 7, 0.5, 1, 7, 0), (1, 0, 7, 0.25, 1, 7, 1), (2, 0, 8, 0.5, 1, 7, 2))
        found = estimate(slots, seed=0)
        assert found.logged.value == 1.0
        assert found.ips.value == pytest.approx((2 + 4) / 3)
        assert found.snips.value == pytest.approx((2 + 4) / (2 + 4))
        assert found.supported.value == pytest.approx((2 + 4) / 3)
        assert found.effective == pytest.approx((2 + 4) ** 2 / (4 + 16))
        assert found.answers == 3

    def test_a_challenger_that_shows_the_same_earns_the_same(self) -> None:
        rng = np.random.default_rng(0)
        rows = [(n // 2, n % 2, n % 5, 1.0, float(rng.random() < 0.3), n % 5, n // 8) for n in range(400)]
        found = estimate(slots_of(*rows), seed=0)
        assert found.ips == found.snips == found.logged
        assert found.doubly_robust.value == pytest.approx(found.logged.value)
        assert (found.gain.low, found.gain.high) == pytest.approx((0, 0))
        assert found.warnings == ()

    def test_rewards_of_one_customer_do_not_predict_themselves(self) -> None:
        rows = [(n, 0, n % 2, 1.0, float(n % 2), n % 2, n) for n in range(40)]
        rows.append((40, 0, 2, 1.0, 1.0, 2, 40))
        shown, proposed = predicted(slots_of(*rows), seed=0)
        assert shown.tolist() == proposed.tolist()
        assert shown[1] > shown[0]
        assert 0 < shown[40] < 1

    def test_an_empty_place_earns_nothing(self) -> None:
        rows = [(n, 0, 0, 1.0, 1.0, NOTHING, n) for n in range(10)]
        found = estimate(slots_of(*rows), seed=0)
        assert found.ips.value == found.snips.value == found.doubly_robust.value == 0.0


class TestWarnings:
    def test_of_a_log_without_chance(self) -> None:
        rows = [(n, 0, n % 2, 1.0, 1.0, 0, n) for n in range(1000)]
        [warning] = estimate(slots_of(*rows), seed=0).warnings
        assert "support is missing" in warning
        assert "50% of the places, and in 50% surely not" in warning

    def test_of_too_few_places_and_of_no_rewards(self) -> None:
        few, none = estimate(slots_of((0, 0, 1, 1.0, 0.0, 1, 0)), seed=0).warnings
        assert "worth only 1" in few
        assert "recommendation_id" in none


@dataclass(frozen=True)
class Truth:
    """The demo's customers before the page: who clicks what, what the shop shows, what the challenger would."""

    click: Reals
    """[customers, items] probability of a click on an item that is looked at."""
    ranking: np.ndarray
    """[customers, POOL] the shop's candidates, best first."""
    challenger: np.ndarray
    """[customers, SHOWN]"""

    def worth(self, shown: np.ndarray) -> float:
        """Clicks for an answer that shows [customers, SHOWN]."""
        return float((np.take_along_axis(self.click, shown, axis=1) * NOTICED).sum(axis=1).mean())


@pytest.fixture(scope="module")
def truth() -> Truth:
    shop = DemoShop.create(seed=7, scale=0.3)
    behaviour, people = shop.behaviour, shop.population
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    memory = Memory.blank(len(people), len(shop.catalogue.leaves))
    customers = range(min(250, len(people)))
    views = np.stack([behaviour.view_probabilities(customer, 10, noon, memory) for customer in customers])
    popular = np.argsort(-views.mean(axis=0), kind="stable")[:POOL]
    ranking = np.tile(popular, (len(views), 1))
    own = np.argsort(-views[:, popular], axis=1, kind="stable")[:, :SHOWN]
    return Truth(np.minimum(views / views[:, popular].max() * 0.8, 0.8), ranking, popular[own])


def simulated(truth: Truth, seed: int, share: float, customers: int = 500, visits: int = 6) -> LoggedSlots:
    """What the log holds of customers drawn from the shop, each with some visits."""
    rng, swaps = np.random.default_rng(seed), random.Random(seed)
    rows = []
    for number, customer in enumerate(rng.integers(len(truth.click), size=customers).tolist()):
        ranking = truth.ranking[customer].tolist()
        for visit in range(visits):
            shown, propensities = explored(ranking[:SHOWN], ranking[SHOWN:], 0, share, swaps)
            clicked = rng.random(SHOWN) < truth.click[customer, shown] * NOTICED
            slots = enumerate(zip(shown, propensities, clicked.tolist(), truth.challenger[customer], strict=True))
            rows += [(number * visits + visit, at, *logged, number) for at, logged in slots]
    return slots_of(*rows)


def test_estimates_cover_what_a_challenger_truly_earns_in_the_demo_shop(truth: Truth) -> None:
    """Of 80 logs about 76 should give a 95 % interval that holds the truth; 69 or fewer happen once in 1,000 times."""
    worth = truth.worth(truth.challenger)
    logs = 80
    covered: Counter[str] = Counter()
    found: list[Estimates] = []
    for seed in range(logs):
        found.append(estimate(simulated(truth, seed, share=0.3), seed))
        for name in ("ips", "snips", "doubly_robust"):
            interval = getattr(found[-1], name)
            covered[name] += interval.low <= worth <= interval.high
    for name in ("ips", "snips", "doubly_robust"):
        assert covered[name] >= 70, covered
        assert np.mean([getattr(one, name).value for one in found]) == pytest.approx(worth, rel=0.03)
    assert sum(bool(one.warnings) for one in found) <= 6  # the share that is supported is an estimate too
    assert np.mean([one.logged.value for one in found]) < worth


def test_without_exploration_the_demo_shops_log_says_so(truth: Truth) -> None:
    [warning] = estimate(simulated(truth, 0, share=0.0), 0).warnings
    assert "support is missing" in warning


def test_the_model_of_the_reward_narrows_the_interval(truth: Truth) -> None:
    widths = []
    for seed in range(10):
        found = estimate(simulated(truth, seed, share=0.3), seed)
        widths.append([figure.high - figure.low for figure in (found.ips, found.doubly_robust)])
    ips, doubly_robust = np.mean(widths, axis=0)
    assert doubly_robust < ips
