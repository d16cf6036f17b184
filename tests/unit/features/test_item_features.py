"""The batch views of items: how they fared, and what the catalogue said of them."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from feature_repo.layout import ITEM_CATALOG, ITEM_STATS
from tests.unit.features.lake_files import at, event_at, feature_rows, product_at, purchase_at

NOW = at(31)


def test_counts_leave_a_window_on_the_day_it_ends(tmp_path: Path) -> None:
    rows = feature_rows(tmp_path, ITEM_STATS, NOW, [event_at(at(1)), event_at(at(1, 13))])
    ends = {days: at(1, hour=0) + timedelta(days=days) for days in (1, 2, 7, 8, 28, 29)}
    views = {
        days: tuple(rows["tent-1", end][f"views_{w}d"] for w in (1, 7, 28))
        for days, end in ends.items()
        if ("tent-1", end) in rows
    }
    assert views == {1: (2, 2, 2), 2: (0, 2, 2), 8: (0, 0, 2), 29: (0, 0, 0)}
    assert rows["tent-1", NOW]["views_28d"] == 0


def test_a_customer_who_comes_every_day_counts_once_in_a_window(tmp_path: Path) -> None:
    events = [event_at(at(day)) for day in (1, 2, 3)] + [event_at(at(2), user_id="bert")]
    rows = feature_rows(tmp_path, ITEM_STATS, NOW, events)
    customers = [
        [rows["tent-1", at(day + 1, hour=0)][f"customers_{w}d"] for w in (1, 7)] for day in (1, 2, 3, 4, 8, 9, 10)
    ]
    assert customers == [[1, 1], [2, 2], [1, 2], [0, 2], [0, 2], [0, 1], [0, 0]]


def test_conversion_price_age_and_repeat_purchases(tmp_path: Path) -> None:
    events = [
        *(event_at(at(25, hour), items=[{"item_id": "milk"}]) for hour in range(4)),
        purchase_at(at(25), "milk", price=2),
        purchase_at(at(26), "milk", price=4),
        purchase_at(at(26), "milk", price=3, user_id="bert"),
    ]
    rows = feature_rows(tmp_path, ITEM_STATS, NOW, events)
    assert rows["milk", at(26, hour=0)]["repeat_purchase_rate"] == 0
    row = rows["milk", NOW]
    assert (row["views_28d"], row["buys_28d"], row["conversion_28d"]) == (4, 3, 0.75)
    assert (row["mean_price"], row["repeat_purchase_rate"], row["days_since_first_seen"]) == (
        3,
        0.5,
        pytest.approx(6.5),
    )


def test_the_catalogue_tells_of_each_day_what_held_at_its_end(tmp_path: Path) -> None:
    def product(day: int, hour: int = 12, **fields: object) -> object:
        return product_at(at(day, hour), json.dumps({"item_id": "tent", "currency": "EUR", **fields}).encode())

    products = [
        product(1, name="Tent", price=90),
        product(1, 13, name="Tent", price=100),
        product(4, market="CH", name="Zelt", price=120, in_stock=False),
    ]
    rows = feature_rows(tmp_path, ITEM_CATALOG, NOW, [], products)  # type: ignore[arg-type]
    first, second, now = (rows["tent", time] for time in (at(2, 0), at(5, 0), NOW))
    assert (first["name"], first["price"], first["markets"]) == ("Tent", 100, ["*"])
    assert (second["name"], second["markets"], second["available_markets"]) == ("Tent", ["*", "CH"], ["*"])
    assert {**now, "event_timestamp": None} == {**second, "event_timestamp": None}
