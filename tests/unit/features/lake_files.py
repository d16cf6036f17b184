"""Events and products as the lake's Parquet files, and the feature tables that come of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from feature_repo.batch import LakeFiles, compute_features
from feature_repo.layout import View
from feature_repo.tables import table_path
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import parse_event, parse_product, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA
from ingestion.sinks.rows import table_of
from tests.builders import event_json, record


def at(day: int, hour: int = 12, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def event_at(time: datetime, received: datetime | None = None, **fields: Any) -> ReceivedEvent:
    """An event of anna's, received as it happened unless told otherwise."""
    fields.setdefault("event_id", f"e-{time.isoformat()}-{fields.get('event_name')}-{fields.get('user_id')}")
    parsed = parse_event(event_json(event_time=time.isoformat(), **fields), received or time)
    assert isinstance(parsed, ReceivedEvent), parsed
    return parsed


def purchase_at(
    time: datetime, *items: str, order: str | None = None, price: float = 10, **fields: Any
) -> ReceivedEvent:
    fields.setdefault("event_name", "purchase")
    lines = [{"item_id": item, "price": price, "quantity": 1} for item in items]
    order = order or f"order-{time.isoformat()}"
    return event_at(time, items=lines, transaction_id=order, currency="EUR", **fields)


def product_at(time: datetime, raw: bytes) -> StoredProduct:
    parsed = parse_product(raw, time)
    assert isinstance(parsed, StoredProduct), parsed
    return parsed


def lake_files(folder: Path, events: Sequence[ReceivedEvent], products: Sequence[StoredProduct] = ()) -> LakeFiles:
    written = []
    for name, rows, schema in (("events", events, EVENTS_SCHEMA), ("products", products, PRODUCTS_SCHEMA)):
        path = folder / f"{name}.parquet"
        if rows:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                table_of([to_log(row) for row in rows], [record(offset=n) for n in range(len(rows))], schema), path
            )
        written.append([str(path)] if rows else [])
    return LakeFiles(*written)


def feature_rows(
    folder: Path, view: View, now: datetime, events: Sequence[ReceivedEvent], products: Sequence[StoredProduct] = ()
) -> dict[tuple[str, datetime], dict[str, Any]]:
    """The view's rows by entity and the time of the row."""
    compute_features(lake_files(folder / "lake", events, products), folder / "features", now)
    rows = pq.read_table(table_path(folder / "features", view)).to_pylist()
    by_key = {(row[view.join_key], row["event_timestamp"]): row for row in rows}
    assert len(by_key) == len(rows), "an entity has two rows of one time"
    return by_key
