"""The cost of a training: how growth is told, and what the synthetic shop looks like."""

import numpy as np
import pytest

from benchmarks.synthetic_shop import assortment_size, events, products
from benchmarks.training import Cost, figures_of, growth
from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA


def costs(exponent: float) -> list[Cost]:
    return [Cost(n, 1e-6 * n**exponent, 1.0, 100.0) for n in (100_000, 300_000, 1_000_000, 3_000_000)]


class TestGrowth:
    def test_the_exponent_of_a_power_is_found(self) -> None:
        assert growth(costs(1.3)) == pytest.approx(1.3)

    def test_quadratic_growth_misses_and_linear_growth_does_not(self) -> None:
        for exponent, missed in ((2.0, True), (1.0, False)):
            (figure,) = (figure for figure in figures_of(costs(exponent)) if "growth" in figure.what)
            assert figure.missed is missed
            assert figure.target == pytest.approx(1.08, abs=0.01)

    def test_the_goals_hold_for_a_million_events_alone(self) -> None:
        assert [figure.what for figure in figures_of(costs(1.0)) if figure.target is not None] == [
            "train 1,000,000 events, CPU",
            "train 1,000,000 events, memory (RSS)",
            "growth of CPU from 100,000 to 3,000,000 events, exponent",
        ]


class TestSyntheticShop:
    def test_it_obeys_the_lakes_schemas_and_is_the_same_each_time(self) -> None:
        shop = events(3_000, seed=1)
        assert shop.schema == EVENTS_SCHEMA
        assert products(3_000).schema == PRODUCTS_SCHEMA
        assert shop.equals(events(3_000, seed=1))
        assert not shop.equals(events(3_000, seed=2))

    def test_a_few_items_take_most_of_the_events_and_a_visit_stays_in_its_line(self) -> None:
        shop = events(20_000, seed=1).to_pylist()
        items = np.array([int(event["items"][0]["item_id"][1:]) for event in shop])
        counts = np.sort(np.bincount(items, minlength=assortment_size(20_000)))[::-1]
        assert counts[: len(counts) // 10].sum() > 0.4 * len(items)
        lines: dict[str, set[int]] = {}
        for event, item in zip(shop, items.tolist(), strict=True):
            lines.setdefault(event["session_id"], set()).add(item // 40)
        assert all(len(visited) == 1 for visited in lines.values())

    def test_purchases_hold_two_items_and_an_order_number(self) -> None:
        for event in events(2_000, seed=1).to_pylist():
            bought = event["event_name"] == "purchase"
            assert len(event["items"]) == 1 + bought
            assert (event["transaction_id"] is not None) is bought
