"""Estimates from logs, by hand and against the demo shop, whose true behaviour is known."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.off_policy import ESTIMATED, SHOWN, Truth, coverage, demo_truth, logged
from training.off_policy import NOTHING, LoggedSlots, estimate, predicted


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
        assert found.effective_rewards == pytest.approx(found.effective)  # every weighted place was clicked
        assert found.answers == 3

    def test_a_challenger_that_shows_the_same_earns_the_same(self) -> None:
        rng = np.random.default_rng(0)
        rows = [(n // 2, n % 2, n % 5, 1.0, float(rng.random() < 0.3), n % 5, n // 8) for n in range(400)]
        found = estimate(slots_of(*rows), seed=0)
        assert found.ips == pytest.approx(found.logged)
        assert found.snips == pytest.approx(found.logged)
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
        few, customers, none = estimate(slots_of((0, 0, 1, 1.0, 0.0, 1, 0)), seed=0).warnings
        assert "worth only 1" in few
        assert "only 1 customer" in customers
        assert "recommendation_id" in none


@pytest.fixture(scope="module")
def truth() -> Truth:
    return demo_truth()


class TestOfTheDemoShop:
    def test_intervals_hold_what_a_challenger_truly_earns(self, truth: Truth) -> None:
        """At the length and the candidates of an answer by default, and the most exploration that serving allows."""
        covered = coverage(truth, logs=100, answers=6_000, share=0.2)
        for name in ESTIMATED:
            assert covered.held(name) >= 93, name
            assert covered.mean(name) == pytest.approx(covered.truth[name], rel=0.06)
        assert all(150 < one.effective < 250 for one in covered.found)
        told = sum(bool(one.warnings) for one in covered.found)
        assert told <= 25  # of six rewards to be expected, a log holds fewer than four now and then

    def test_fewer_rewards_are_told_to_be_too_few(self, truth: Truth) -> None:
        """Purchases instead of clicks: as many places, but hardly one of those that weigh hundreds earns anything."""
        rare = coverage(truth.rarer(10), logs=8, answers=6_000, share=0.2)
        assert all(one.effective > 150 for one in rare.found)
        assert all("rewards intervals are too narrow" in one.warnings[-1] for one in rare.found)

    def test_less_is_told_to_be_too_little(self, truth: Truth) -> None:
        found = estimate(logged(truth, 0, share=0.2, answers=3_000), 0)
        assert found.effective < 150
        assert "intervals are too narrow" in found.warnings[-1]

    def test_without_exploration_the_log_says_so(self, truth: Truth) -> None:
        [missing] = estimate(logged(truth, 0, share=0.0, answers=600), 0).warnings
        assert "raise serving.explore_share" in missing

    def test_no_exploring_reaches_what_was_no_candidate(self, truth: Truth) -> None:
        never = np.setdiff1d(np.arange(truth.click.shape[1]), truth.popular)[:SHOWN].astype(np.int32)
        other = replace(truth, challenger=np.tile(never, (len(truth.click), 1)))
        missing, _ = estimate(logged(other, 0, share=0.2, answers=600), 0).warnings
        assert "no candidates of what answered" in missing
        assert "explore_share" not in missing

    def test_the_model_of_the_reward_narrows_the_interval(self, truth: Truth) -> None:
        widths = []
        for seed in range(10):
            found = estimate(logged(truth, seed, share=0.2, answers=6_000), seed)
            widths.append([figure.high - figure.low for figure in (found.ips, found.doubly_robust)])
        ips, doubly_robust = np.mean(widths, axis=0)
        assert doubly_robust < ips
