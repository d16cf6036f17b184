"""What becomes of a record on its way into columns."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.contracts.event import MAX_ITEMS, ReceivedEvent
from ingestion.contracts.exposure import ExposedItem, Exposure
from ingestion.contracts.parse import parse_product, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.tables import EVENTS_SCHEMA, EXPOSURES_SCHEMA, PRODUCTS_SCHEMA
from ingestion.sinks.rows import table_of
from tests.builders import NOW, event, record

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
MONEY = st.floats(0, 1e12) | st.none()
ITEMS = st.fixed_dictionaries(
    {"item_id": TEXTS, "price": MONEY, "item_name": TEXTS | st.none(), "quantity": st.integers(1, 1_000_000)}
)
OFFSETS = st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2026, 1, 1), timezones=OFFSETS)  # noqa: DTZ001  # zones come after
EVENTS = st.fixed_dictionaries(
    {
        "user_id": TEXTS,
        "event_time": TIMES.map(datetime.isoformat),
        "items": st.lists(ITEMS, min_size=1, max_size=4),
        "currency": st.just("EUR"),
        "value": MONEY,
        "consent": st.none() | st.fixed_dictionaries({"personalisation": st.booleans()}),
        "producer": st.none() | st.fixed_dictionaries({"name": TEXTS}),
    }
)


def rows_of(*events: ReceivedEvent) -> list[dict[str, Any]]:
    origins = [record(offset=offset, partition=3) for offset in range(len(events))]
    return list(table_of([to_log(one) for one in events], origins, EVENTS_SCHEMA).to_pylist())


class TestEvents:
    @settings(deadline=None)
    @given(st.lists(EVENTS, min_size=1, max_size=5))
    def test_every_value_arrives_as_the_contract_read_it(self, told: list[dict[str, Any]]) -> None:
        events = [event(**fields) for fields in told]
        for row, read in zip(rows_of(*events), events, strict=True):
            assert {name: row[name] for name in ReceivedEvent.model_fields} == {
                **read.model_dump(),
                "items": [item.model_dump() for item in read.items],
                "quality_flags": list(read.quality_flags),
            }

    def test_the_day_is_that_of_utc(self) -> None:
        (row,) = rows_of(event(event_time="2026-03-01T00:30:00+02:00"))
        assert row["event_date"] == date(2026, 2, 28)
        assert row["event_time"] == datetime(2026, 2, 28, 22, 30, tzinfo=UTC)

    def test_a_row_says_where_in_the_log_it_came_from(self) -> None:
        assert [(row["log_partition"], row["log_offset"]) for row in rows_of(event(), event())] == [(3, 0), (3, 1)]

    @pytest.mark.parametrize("text", ['"\\\n\r\t', "\0", "\u2028", "😀", "1", "null", "2026-03-01T12:00:00Z", "{}"])
    def test_text_stays_what_it_is(self, text: str) -> None:
        assert rows_of(event(search_term=text))[0]["search_term"] == text

    def test_what_one_event_lacks_is_null_though_another_has_it(self) -> None:
        bare, full = rows_of(event(), event(producer={"name": "web-shop"}, language="de-CH"))
        assert (bare["producer"], bare["language"]) == (None, None)
        assert (full["producer"], full["language"]) == ({"name": "web-shop", "version": None}, "de-CH")

    def test_an_event_of_the_largest_size_stands_beside_a_small_one(self) -> None:
        items = [{"item_id": "i" * 256, "item_name": "n" * 1000} for _ in range(MAX_ITEMS)]
        assert [len(row["items"]) for row in rows_of(event(), event(items=items))] == [1, MAX_ITEMS]

    def test_no_events_are_no_rows(self) -> None:
        assert rows_of() == []


class TestOtherTables:
    def test_attributes_of_a_product_keep_their_names(self) -> None:
        product = parse_product(b'{"item_id": "tent-1", "name": "Tent", "attributes": {"persons": "2"}}', NOW)
        assert isinstance(product, StoredProduct)
        (row,) = table_of([to_log(product)], [record()], PRODUCTS_SCHEMA).to_pylist()
        assert row["attributes"] == [("persons", "2")]
        assert row["updated_at"] == NOW

    def test_scores_of_an_exposure_lose_no_digit(self) -> None:
        shown = ExposedItem(item_id="tent-1", position=0, score=1 / 3, propensity=1e-300, reason="popular")
        exposure = Exposure(
            recommendation_id="r", shown_at=NOW, customer_key="u:anna", placement="home", market=None,
            model_version=None, variant=None, degraded=(), items=(shown,),
        )  # fmt: skip
        (row,) = table_of([to_log(exposure)], [record()], EXPOSURES_SCHEMA).to_pylist()
        assert (row["items"][0]["score"], row["items"][0]["propensity"]) == (1 / 3, 1e-300)
        assert row["exposure_date"] == NOW.date()
