"""What stands in a row of the lake is what stood in the record, whatever it was."""

from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingestion.contracts.event import EARLIEST, ReceivedEvent
from ingestion.contracts.parse import read_event, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.rejection import Rejection
from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA
from ingestion.sinks.rows import table_of
from tests.builders import NOW, event, event_json, record

TEXT = st.text(min_size=1, max_size=40)
MONEY = st.floats(0, 1e12, allow_nan=False)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"item_id": TEXT}, optional={"item_name": TEXT, "price": MONEY, "quantity": st.integers(1, 1_000_000)}
    ),
    min_size=1,
    max_size=4,
)
OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "anonymous_id": TEXT,
    "search_term": TEXT,
    "value": MONEY,
    "consent": st.fixed_dictionaries({"analytics": st.booleans()}),
    "producer": st.fixed_dictionaries({"name": TEXT}, optional={"version": TEXT}),
}
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def row_of(received: ReceivedEvent) -> dict[str, Any]:
    table = table_of([to_log(received)], [record(5, 1)], EVENTS_SCHEMA)
    return dict(table.to_pylist()[0])


class TestEvents:
    @given(
        items=ITEMS,
        optional=st.fixed_dictionaries({}, optional=OPTIONAL),
        user_id=TEXT,
        seconds=st.floats((EARLIEST - NOW).total_seconds(), 0),
        zone=ZONES,
    )
    def test_every_field_of_any_event_comes_out_as_it_went_in(
        self, items: Any, optional: Any, user_id: str, seconds: float, zone: timezone
    ) -> None:
        happened = (NOW + timedelta(seconds=seconds)).astimezone(zone)
        sent = event(items=items, user_id=user_id, currency="EUR", event_time=happened.isoformat(), **optional)
        row = row_of(sent)
        for name, value in sent.model_dump(exclude={"items", "quality_flags"}).items():
            assert row[name] == value, name
        assert row["items"] == [item.model_dump() for item in sent.items]
        assert row["event_date"] == happened.astimezone(UTC).date()
        assert (row["log_partition"], row["log_offset"]) == (1, 5)

    @given(TEXT, st.integers(1, 9999))
    def test_whatever_the_contract_lets_in_can_be_written(self, text: str, year: int) -> None:
        raw = event_json(event_time=f"{year:04}-12-31T23:59:59.999999-14:00", event_id=text, search_term=text)
        received = read_event(raw, NOW)
        if not isinstance(received, Rejection):
            assert row_of(received)["search_term"] == text


class TestProducts:
    @given(st.dictionaries(TEXT, TEXT, max_size=4), TEXT)
    def test_attributes_are_a_map(self, attributes: dict[str, str], name: str) -> None:
        product = StoredProduct(item_id="tent", name=name, attributes=attributes, updated_at=NOW)
        row = table_of([to_log(product)], [record()], PRODUCTS_SCHEMA).to_pylist()[0]
        assert dict(row["attributes"]) == attributes
        assert row["name"] == name
