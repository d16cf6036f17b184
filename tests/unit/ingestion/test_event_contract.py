"""What the event contract lets in, what it refuses, and how it says so."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.contracts.event import MAX_ITEMS, Event, EventName, QualityFlag, ReceivedEvent
from ingestion.contracts.parse import parse_event, read_event, to_log
from ingestion.contracts.rejection import Rejection
from tests.builders import NOW, event, event_fields, event_json


def rejection(**overrides: Any) -> Rejection:
    refused = parse_event(event_json(**overrides), NOW)
    assert isinstance(refused, Rejection), refused
    return refused


class TestAccepted:
    def test_the_server_adds_when_it_came(self) -> None:
        assert event().received_at == NOW

    def test_segment_names_are_aliases(self) -> None:
        assert event(event_name="Product Viewed").event_name is EventName.VIEW_ITEM

    def test_a_zone_other_than_utc_is_the_same_instant(self) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        assert event(event_time=NOW.astimezone(east).isoformat()).event_time == NOW

    def test_numbers_as_ids_become_strings(self) -> None:
        assert event(items=[{"item_id": 4711}], user_id=12).items[0].item_id == "4711"

    @given(st.text(min_size=1, max_size=256).filter(lambda text: text.isprintable() or "\n" in text))
    def test_ids_may_hold_any_characters(self, item_id: str) -> None:
        assert event(items=[{"item_id": item_id}]).items[0].item_id == item_id

    def test_an_account_wins_over_a_device_as_key(self) -> None:
        assert event(anonymous_id="phone").customer_key == "u:anna"
        assert event(user_id=None, anonymous_id="phone").customer_key == "a:phone"

    def test_an_event_of_last_week_is_flagged_as_late(self) -> None:
        assert event(event_time=(NOW - timedelta(days=7)).isoformat()).quality_flags == (QualityFlag.LATE,)

    def test_a_clock_some_minutes_ahead_is_flagged(self) -> None:
        ahead = (NOW + timedelta(minutes=10)).isoformat()
        assert event(event_time=ahead).quality_flags == (QualityFlag.CLOCK_SKEW,)


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("an unknown event name", {"event_name": "bought"}, "event_name", "view_item"),
    ("no time", {"event_time": None}, "event_time", "required"),
    ("a naive time", {"event_time": "2026-03-01T12:00:00"}, "event_time", "timezone"),
    ("a number as time", {"event_time": 1772366400}, "event_time", "valid datetime"),
    ("a time that is none", {"event_time": "yesterday"}, "event_time", "valid datetime"),
    ("a time far in the future", {"event_time": "2031-01-01T00:00:00Z"}, "event_time", "clock"),
    ("no time, as .NET writes it", {"event_time": "0001-01-01T00:00:00+01:00"}, "event_time", "1970"),
    ("the end of time", {"event_time": "9999-12-31T23:59:59-14:00"}, "event_time", "2200"),
    ("no customer at all", {"user_id": None}, "user_id", "belongs to a customer"),
    ("an empty id", {"event_id": ""}, "event_id", "at least 1 character"),
    ("money without currency", {"value": 12.5}, "currency", "ISO 4217"),
    ("a price without currency", {"items": [{"item_id": "a", "price": 1}]}, "currency", "ISO 4217"),
    ("a currency in small letters", {"currency": "eur"}, "currency", "pattern"),
    ("a negative price", {"items": [{"item_id": "a", "price": -1}], "currency": "EUR"}, "items.0.price", "greater"),
    ("a negative quantity", {"items": [{"item_id": "a", "quantity": -2}]}, "items.0.quantity", "greater"),
    ("no items in a view", {"items": []}, "items", "at least one item"),
    ("ten thousand items", {"items": [{"item_id": "a"}] * 10_000}, "items", str(MAX_ITEMS)),
    ("a purchase without order number", {"event_name": "purchase"}, "transaction_id", "transaction_id"),
    ("a search without term", {"event_name": "search"}, "search_term", "search_term"),
    ("a login of nobody", {"event_name": "login", "user_id": None, "anonymous_id": "d"}, "user_id", "user_id"),
    ("a field that is not in the contract", {"userId": "anna"}, "userId", "not permitted"),
    ("a server's field from outside", {"received_at": NOW.isoformat()}, "received_at", "not permitted"),
]


class TestRefused:
    @pytest.mark.parametrize(("overrides", "field", "reason"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
    def test_it_names_field_and_reason(self, overrides: dict[str, Any], field: str, reason: str) -> None:
        errors = rejection(**overrides).errors
        assert [e.field for e in errors] == [field]
        assert reason in errors[0].reason

    def test_everything_that_is_wrong_is_said_at_once(self) -> None:
        fields = {e.field for e in rejection(event_name="bought", market="no such place!").errors}
        assert fields == {"event_name", "market"}

    def test_the_event_is_named_by_its_id(self) -> None:
        assert rejection(event_id="e7", event_name="bought").record_id == "e7"

    def test_a_long_value_is_cut(self) -> None:
        assert len(rejection(event_name="x" * 5000).errors[0].value or "") <= 120

    @pytest.mark.parametrize("money", ["NaN", "Infinity", "1e400"])
    def test_money_is_a_number(self, money: str) -> None:
        raw = event_json(currency="EUR", value=0).replace(b'"value": 0', f'"value": {money}'.encode())
        assert isinstance(parse_event(raw, NOW), Rejection)

    @given(st.binary(max_size=200))
    def test_rubbish_is_refused_and_never_raises(self, raw: bytes) -> None:
        assert isinstance(parse_event(raw, NOW), Rejection)


class TestStored:
    @given(
        name=st.sampled_from(["view_item", "add_to_cart", "purchase"]),
        items=st.lists(
            st.fixed_dictionaries({"item_id": st.text("abé🙂", min_size=1), "quantity": st.integers(1, 9)}), min_size=1
        ),
        seconds=st.integers(-10_000_000, 0),
        device=st.none() | st.text(min_size=1, max_size=9),
    )
    def test_what_the_log_keeps_reads_back_equal(self, name: str, items: Any, seconds: int, device: str | None) -> None:
        sent = event(seconds, event_name=name, items=items, anonymous_id=device, transaction_id="t1")
        assert read_event(to_log(sent), datetime.now(UTC)) == sent

    def test_a_teams_own_producer_writes_the_clients_form(self) -> None:
        appended = NOW + timedelta(seconds=3)
        stored = read_event(event_json(), appended)
        assert isinstance(stored, ReceivedEvent)
        assert stored.received_at == appended

    def test_a_teams_own_producer_is_held_to_the_contract(self) -> None:
        for wrong in ({"user_id": None}, {"user_id": ""}):
            refused = read_event(event_json(**wrong), NOW)
            assert isinstance(refused, Rejection)
            assert [e.field for e in refused.errors] == ["user_id"]


class TestSchema:
    def test_json_schema_names_every_field_and_forbids_others(self) -> None:
        schema = Event.model_json_schema()
        assert set(event_fields()) <= set(schema["properties"])
        assert schema["additionalProperties"] is False
        assert json.dumps(schema)
