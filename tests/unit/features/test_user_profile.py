"""The batch view of what a customer bought."""

import json
from pathlib import Path
from typing import Any

import pytest

from feature_repo.layout import USER_PROFILE
from tests.unit.features.lake_files import at, event_at, feature_rows, product_at, purchase_at

NOW = at(20)
END_OF_DAY_2 = at(3, hour=0)
END_OF_DAY_5 = at(6, hour=0)


def test_each_day_with_an_order_tells_what_was_known_at_its_end(tmp_path: Path) -> None:
    events = [purchase_at(at(2), "milk", "bread"), purchase_at(at(5), "milk", price=30)]
    rows = feature_rows(tmp_path, USER_PROFILE, NOW, events)
    assert set(rows) == {("u:anna", END_OF_DAY_2), ("u:anna", END_OF_DAY_5), ("u:anna", NOW)}
    first, second, now = (rows["u:anna", time] for time in (END_OF_DAY_2, END_OF_DAY_5, NOW))
    assert (first["n_orders"], first["n_items"], first["spend"]) == (1, 2, 20)
    assert (second["n_orders"], second["n_items"], second["spend"]) == (2, 3, 50)
    assert (first["bought_items"], second["bought_items"]) == (["bread", "milk"], ["milk", "bread"])
    assert (second["bought_counts"], second["mean_days_between_orders"]) == ([2, 1], 3)
    assert (now["days_since_first_order"], now["days_since_last_order"]) == (18, 15)
    assert (now["main_market"], now["currency"], now["price_level"]) == ("DE", "EUR", pytest.approx(50 / 3))


def test_a_refund_of_one_line_takes_back_that_line(tmp_path: Path) -> None:
    events = [
        purchase_at(at(2), "milk", "bread", order="o1"),
        purchase_at(at(5), "milk", order="o1", event_name="refund"),
    ]
    row = feature_rows(tmp_path, USER_PROFILE, NOW, events)["u:anna", NOW]
    assert (row["n_orders"], row["n_items"], row["spend"], row["bought_items"]) == (1, 1, 10, ["bread"])


@pytest.mark.parametrize("value", [None, 20.0])
def test_a_refund_without_items_takes_back_the_whole_order(tmp_path: Path, value: float | None) -> None:
    refund: dict[str, Any] = {"event_name": "refund", "items": [], "transaction_id": "o1"}
    if value is not None:
        refund |= {"value": value, "currency": "EUR"}
    events = [purchase_at(at(2), "milk", "bread", order="o1"), event_at(at(5), **refund)]
    rows = feature_rows(tmp_path, USER_PROFILE, NOW, events)
    assert rows["u:anna", END_OF_DAY_2]["n_orders"] == 1
    row = rows["u:anna", NOW]
    assert (row["n_orders"], row["n_items"], row["spend"], row["bought_items"]) == (0, 0, 0, [])


def test_a_device_counts_to_the_account_from_the_login_on_and_only_up_to_it(tmp_path: Path) -> None:
    device: dict[str, Any] = {"user_id": None, "anonymous_id": "phone"}
    events = [
        purchase_at(at(2), "milk", **device),
        event_at(at(5), event_name="login", anonymous_id="phone", items=None),
        purchase_at(at(7), "wine", **device),
    ]
    rows = feature_rows(tmp_path, USER_PROFILE, NOW, events)
    assert ("u:anna", END_OF_DAY_2) not in rows
    assert rows["u:anna", END_OF_DAY_5]["bought_items"] == ["milk"]
    assert rows["u:anna", NOW]["bought_items"] == ["milk"]
    assert rows["a:phone", NOW]["bought_items"] == ["wine", "milk"]


def test_a_customer_without_consent_to_personalisation_has_no_profile(tmp_path: Path) -> None:
    refused = purchase_at(at(2), "milk", user_id="bert", consent={"personalisation": False})
    rows = feature_rows(tmp_path, USER_PROFILE, NOW, [refused, purchase_at(at(2), "milk")])
    assert {key for key, _ in rows} == {"u:anna"}


def test_a_late_order_is_marked_as_known_only_when_it_came(tmp_path: Path) -> None:
    events = [purchase_at(at(2), "milk"), purchase_at(at(3), "wine", received=at(9)), purchase_at(at(5), "bread")]
    rows = feature_rows(tmp_path, USER_PROFILE, NOW, events)
    assert rows["u:anna", END_OF_DAY_2]["created_timestamp"] == at(2)
    assert rows["u:anna", END_OF_DAY_5]["created_timestamp"] == at(9)


def test_history_loaded_long_after_is_known_from_when_it_happened(tmp_path: Path) -> None:
    rows = feature_rows(tmp_path, USER_PROFILE, at(1, month=9), [purchase_at(at(2), "milk", received=at(1, month=8))])
    assert rows["u:anna", END_OF_DAY_2]["created_timestamp"] == at(2)


def test_money_in_another_currency_than_the_first_is_left_out_of_the_spend(tmp_path: Path) -> None:
    francs = event_at(
        at(5),
        event_name="purchase",
        items=[{"item_id": "watch", "price": 500}],
        transaction_id="o2",
        currency="CHF",
    )
    row = feature_rows(tmp_path, USER_PROFILE, NOW, [purchase_at(at(2), "milk"), francs])["u:anna", NOW]
    assert (row["n_orders"], row["spend"], row["currency"]) == (2, 10, "EUR")


def test_categories_are_shares_of_units_in_the_catalogues_categories(tmp_path: Path) -> None:
    products = [
        product_at(at(1), json.dumps({"item_id": item, "category_id": category}).encode())
        for item, category in (("milk", "dairy"), ("cream", "dairy"), ("bread", "bakery"))
    ]
    row = feature_rows(tmp_path, USER_PROFILE, NOW, [purchase_at(at(2), "milk", "cream", "bread")], products)[
        "u:anna", NOW
    ]
    assert row["top_categories"] == ["dairy", "bakery"]
    assert row["top_category_shares"] == pytest.approx([2 / 3, 1 / 3])


def test_a_lake_without_any_event_gives_empty_tables(tmp_path: Path) -> None:
    assert feature_rows(tmp_path, USER_PROFILE, NOW, []) == {}


def test_a_refund_of_what_was_bought_before_the_data_begins_leaves_the_other_items(tmp_path: Path) -> None:
    events = [purchase_at(at(2), "milk"), purchase_at(at(5), "old-tent", order="o0", event_name="refund")]
    row = feature_rows(tmp_path, USER_PROFILE, NOW, events)["u:anna", NOW]
    assert (row["n_orders"], row["n_items"], row["bought_items"]) == (1, 1, ["milk"])
