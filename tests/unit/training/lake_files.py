"""Builders of event files as the lake holds them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA, TAXONOMY_SCHEMA

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(minute: float, item: str | list[str], name: str = "view_item", **changes: Any) -> dict[str, Any]:
    items = [item] if isinstance(item, str) else item
    when = NOON + timedelta(minutes=minute)
    return {
        "event_id": f"{minute:09.3f}/{name}/{items}/{changes}",
        "event_name": name,
        "event_time": when,
        "received_at": when,
        "user_id": "anna",
        "market": "DE",
        "items": [{"item_id": i} for i in items],
        "event_date": when.date(),
    } | changes


def write_events(folder: Path, *events: dict[str, Any]) -> list[str]:
    """Two files, as a lake has many; their paths."""
    paths = []
    for number, part in enumerate((events[::2], events[1::2])):
        paths.append(str(folder / f"{number}.parquet"))
        pq.write_table(pa.Table.from_pylist(list(part), schema=EVENTS_SCHEMA), paths[-1])
    return paths


def write_products(folder: Path, *products: dict[str, Any]) -> list[str]:
    """One file; a later product is the newer record. ``item_id`` is all that a product needs."""
    rows = [{"updated_at": NOON, "log_offset": offset} | product for offset, product in enumerate(products)]
    return _written(folder / "products.parquet", rows, PRODUCTS_SCHEMA)


def write_taxonomy(
    folder: Path,
    parents: dict[str, str | None],
    version: str = "1",
    size: int = 0,
    names: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """One file with one version: category to its parent; a ``size`` above theirs leaves it unfinished."""
    size = size or len(parents)
    rows = [
        {
            "category_id": category,
            "parent_id": parent,
            "name": names.get(category),
            "taxonomy_version": version,
            "size": size,
        }
        for category, parent in parents.items()
    ]
    return _written(folder / f"taxonomy {version}.parquet", rows, TAXONOMY_SCHEMA)


def _written(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> list[str]:
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    return [str(path)]


def a_shop(customers: int = 60) -> list[dict[str, Any]]:
    """Customers of two kinds, one an hour, each looking at three of four products in a row and buying the last."""
    shelves = ("abcd", "wxyz")
    return [
        an_event(
            60 * customer + step,
            shelves[customer % 2][(customer // 2 + step) % 4],
            "purchase" if step == 2 else "view_item",
            user_id=f"customer {customer}",
            transaction_id=f"order {customer}" if step == 2 else None,
        )
        for customer in range(customers)
        for step in range(3)
    ]
