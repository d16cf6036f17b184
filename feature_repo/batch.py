"""The batch feature tables, from the lake's Parquet files by DuckDB; the queries stand in ``queries/``.

Every table holds one row for an entity and a UTC day on which something changed for it, stamped at the end of that day
and computed from what had happened by then, and one as of now. ``created_timestamp`` is when the last event in a row
became known, so that a training set can leave out what came late.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.activity import KIND_OF_EVENT, MAX_INTERACTIONS, MAX_LINKS, Activity
from feature_repo.customer import activity_of
from feature_repo.errors import TryLater
from feature_repo.layout import (
    CUSTOMER_KEY,
    ITEM_CATALOG,
    ITEM_STATS,
    USER_ACTIVITY,
    USER_PROFILE,
    VIEWS,
    WINDOW_DAYS,
    View,
)
from feature_repo.tables import table_path

MEMORY_LIMIT: Final = "512MB"
_SLICE_ACTIONS: Final = 25_000
_BATCH_ROWS: Final = 10_000
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ITEM: Final = "STRUCT(item_id VARCHAR, item_category VARCHAR, price DOUBLE, quantity BIGINT)"
_EVENTS: Final = {
    "event_id": "VARCHAR",
    "event_name": "VARCHAR",
    "event_time": "TIMESTAMPTZ",
    "received_at": "TIMESTAMPTZ",
    "user_id": "VARCHAR",
    "anonymous_id": "VARCHAR",
    "market": "VARCHAR",
    "currency": "VARCHAR",
    "transaction_id": "VARCHAR",
    "value": "DOUBLE",
    "items": f"{_ITEM}[]",
    "consent": "STRUCT(personalisation BOOLEAN)",
}
_PRODUCTS: Final = {
    "item_id": "VARCHAR",
    "market": "VARCHAR",
    "name": "VARCHAR",
    "brand": "VARCHAR",
    "category_id": "VARCHAR",
    "price": "DOUBLE",
    "currency": "VARCHAR",
    "in_stock": "BOOLEAN",
    "hidden": "BOOLEAN",
    "rebuyable": "BOOLEAN",
    "published_at": "TIMESTAMPTZ",
    "updated_at": "TIMESTAMPTZ",
    "log_offset": "BIGINT",
}
"""The lake's columns that the queries read, for a lake that has no file yet."""


@dataclass(frozen=True, slots=True)
class LakeFiles:
    """Parquet files of the lake's tables, as DuckDB reads them; none for a table without rows."""

    events: Sequence[str]
    products: Sequence[str] = ()


def compute_features(
    lake: LakeFiles,
    features_folder: Path,
    now: datetime,
    since: datetime = EVER,
    memory_limit: str = MEMORY_LIMIT,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, int]:
    """Compute and publish the tables of all views; their numbers of rows.

    The rows as of now are made only for entities of which something became known after ``since``. A table is replaced
    in one step, so that a reader sees the old one or the new one. ``progress`` is told the name of each finished step.

    Raises TryLater when a file of the lake went away meanwhile or the disk is full.
    """
    features_folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with _database(features_folder, memory_limit) as database, _reasons():
        _define(database, lake, now, since)
        _run(database, "actions")
        progress("actions")
        for view, prepared in _STEPS:
            for name in prepared:
                _run(database, name)
            counts[view.name] = _publish(_rows(database, view), table_path(features_folder, view))
            progress(view.name)
    return counts


STEPS: Final = 1 + len(VIEWS)
"""How often ``compute_features`` tells its progress."""

_STEPS: Final[Sequence[tuple[View, Sequence[str]]]] = (
    (USER_ACTIVITY, ()),
    (USER_PROFILE, ("item_categories", "orders")),
    (ITEM_STATS, ()),
    (ITEM_CATALOG, ()),
)
"""The views, and the queries that have to run before that of the view."""

_SLICED: Final = {USER_ACTIVITY.name: ("actions", "links"), USER_PROFILE.name: ("order_lines",)}
"""What a view's query reads through ``slice_…``, a part of the customers at a time."""


def recompute_activity(
    event_files: Sequence[str], scratch: Path, now: datetime, memory_limit: str = MEMORY_LIMIT
) -> dict[str, Activity]:
    """Every customer's activity, from the lake alone: what the online store must hold once the worker is through.

    ``scratch`` is a folder to spill to.
    """
    with _database(scratch, memory_limit) as database, _reasons():
        _define(database, LakeFiles(event_files), now, EVER, newest_only=True)
        _run(database, "actions")
        rows = (row for batch in _rows(database, USER_ACTIVITY) for row in batch.to_pylist())
        return {row[CUSTOMER_KEY]: activity_of(row) for row in rows}


@contextmanager
def _database(folder: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that spills below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "temp_directory": str(folder / ".spill"),
        "preserve_insertion_order": False,
    }
    database = duckdb.connect(":memory:", config=config)
    try:
        database.execute("SET TimeZone = 'UTC'")
        yield database
    finally:
        database.close()


def _define(
    database: duckdb.DuckDBPyConnection, lake: LakeFiles, now: datetime, since: datetime, newest_only: bool = False
) -> None:
    variables = {
        "now": now,
        "since": since,
        "today": now.astimezone(UTC).date(),
        "window_days": list(WINDOW_DAYS),
        "max_interactions": MAX_INTERACTIONS,
        "max_links": MAX_LINKS,
        "newest_only": newest_only,
    }
    for name, value in variables.items():
        database.execute(f"SET VARIABLE {name} = $value", {"value": value})
    database.execute("CREATE TEMP MACRO end_of(a_day) AS least(CAST(a_day + 1 AS TIMESTAMPTZ), getvariable('now'))")
    database.execute("CREATE TEMP TABLE kinds (event_name VARCHAR, kind BIGINT)")
    database.executemany("INSERT INTO kinds VALUES (?, ?)", [(name, int(kind)) for name, kind in KIND_OF_EVENT.items()])
    for table, uris, columns in (("events", lake.events, _EVENTS), ("products", lake.products, _PRODUCTS)):
        if uris:
            source = database.read_parquet(list(uris), hive_partitioning=True, union_by_name=True)
            source.select(*columns).create_view(table)
        else:
            nothing = ", ".join(f"NULL::{kind} AS {name}" for name, kind in columns.items())
            database.execute(f"CREATE TEMP VIEW {table} AS SELECT {nothing} WHERE false")


def _rows(database: duckdb.DuckDBPyConnection, view: View) -> Iterator[pa.RecordBatch]:
    """The view's rows. Those of customers come slice by slice, because DuckDB cannot spill the lists it builds."""
    tables = _SLICED.get(view.name, ())
    counted = database.execute("SELECT count(*) FROM actions").fetchone() if tables else None
    slices = 1 + (counted[0] if counted else 0) // _SLICE_ACTIONS
    for number in range(slices):
        for table in tables:
            database.execute(
                f"CREATE OR REPLACE TEMP VIEW slice_{table} AS "
                f"FROM {table} WHERE hash({CUSTOMER_KEY}) % {slices} = {number}"
            )
        reader = database.sql(_run(database, view.name)).to_arrow_reader(_BATCH_ROWS)
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)  # a table without rows has its columns all the same
        yield from reader


def _publish(batches: Iterator[pa.RecordBatch], path: Path) -> int:
    """Write the rows aside and put them in the place of the old ones in one step; how many there are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.writing")
    try:
        first = next(batches)
        with pq.ParquetWriter(aside, first.schema, compression="zstd") as writer:
            writer.write_batch(first)
            rows: int = first.num_rows
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
    return rows


def _run(database: duckdb.DuckDBPyConnection, name: str) -> str:
    """Run the statements of a query file; a last one without a semicolon is not run but given back."""
    *statements, last = _query(name).split(";\n")
    for statement in statements:
        database.execute(statement)
    return last


def _query(name: str) -> str:
    text = (files("feature_repo") / "queries" / f"{name}.sql").read_text()
    for slot, columns in _WINDOW_COLUMNS.items():
        text = text.replace("{{ " + slot + " }}", columns)
    return text


def _window_columns(form: str) -> str:
    counts = ("views", "carts", "buys", "customers")
    return ", ".join(form.format(count=count, days=days) for days in WINDOW_DAYS for count in counts)


_WINDOW_COLUMNS: Final = {
    "window_changes": _window_columns("sum({count}) FILTER (days = {days}) AS {count}_{days}d"),
    "day_sums": _window_columns("sum({count}_{days}d) AS {count}_{days}d"),
    "running_sums": _window_columns("coalesce(sum({count}_{days}d) OVER so_far, 0) AS {count}_{days}d"),
    "window_features": _window_columns("CAST({count}_{days}d AS BIGINT) AS {count}_{days}d"),
}
"""The columns of ``item_stats.sql`` that repeat for each window."""


@contextmanager
def _reasons() -> Iterator[None]:
    """DuckDB's errors about the world, in the words of ours."""
    try:
        yield
    except (duckdb.IOException, duckdb.HTTPException) as error:
        raise TryLater(
            f"the feature tables could not be computed: {error}; nothing was changed, run it again"
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise TryLater(f"the feature tables need more memory or disk: {error}; make room and run it again") from error
