"""A synthetic shop of any size, for measuring what a training costs: what it sells and who visits grow with its events.

Popularity of product lines and, within them, of items follows Zipf's law. A visit stays in one product line, mostly one
of the customer's three favourites, and often goes from an item to the one beside it. Customers grow in proportion to
the events and the assortment with their square root, as the words of a text do (Heaps' law).
"""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA

FIRST_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 180
MARKETS: Final = ("AT", "CH", "DE", "GB")
LINE: Final = 40
"""Items in a product line."""
EVENTS_A_VISIT: Final = 5
EVENTS_A_CUSTOMER: Final = 15
STEP_SECONDS: Final = 40
NAMES: Final = ("view_item", "add_to_cart", "purchase")
NAME_SHARES: Final = (0.85, 0.1, 0.05)

Array = npt.NDArray[Any]


def assortment_size(n_events: int) -> int:
    return LINE * max(int(30 * np.sqrt(n_events)) // LINE, 1)


def events(n_events: int, seed: int) -> pa.Table:
    """``n_events`` rows of the lake's table; a purchase holds two items, every other event one."""
    rng = np.random.default_rng(seed)
    visit = np.sort(rng.integers(n_events // EVENTS_A_VISIT + 1, size=n_events))
    first = np.r_[True, np.diff(visit) != 0]
    step = np.arange(n_events) - np.flatnonzero(first)[np.cumsum(first) - 1]
    n_visits, n_lines = int(visit[-1]) + 1, assortment_size(n_events) // LINE
    customer = rng.integers(max(n_events // EVENTS_A_CUSTOMER, 1), size=n_visits)
    line = _lines(rng, customer, n_lines)
    start = np.sort(rng.integers(DAYS * 86_400, size=n_visits))
    item = line[visit] * LINE + _places(rng, first)
    name = rng.choice(len(NAMES), n_events, p=NAME_SHARES)
    bought = name == NAMES.index("purchase")
    time = np.datetime64(FIRST_DAY.replace(tzinfo=None), "us") + (
        (start[visit] + STEP_SECONDS * step) * 1_000_000
    ).astype("timedelta64[us]")
    when = pa.array(time, pa.timestamp("us")).cast(EVENTS_SCHEMA.field("event_time").type)
    columns = {
        "event_id": _ids("e", np.arange(n_events)),
        "event_name": pa.array(np.array(NAMES, dtype=object)[name], pa.string()),
        "event_time": when,
        "received_at": when,
        "user_id": _ids("c", customer[visit]),
        "session_id": _ids("s", visit),
        "market": pa.array(np.array(MARKETS, dtype=object)[customer[visit] % len(MARKETS)], pa.string()),
        "items": _items(item, bought),
        "transaction_id": pc.if_else(pa.array(bought), _ids("o", np.arange(n_events)), None),
        "event_date": when.cast(pa.date32()),
        "log_partition": pa.array(np.zeros(n_events, np.int32)),
        "log_offset": pa.array(np.arange(n_events)),
    }
    return _table(columns, n_events, EVENTS_SCHEMA)


def products(n_events: int) -> pa.Table:
    """Everything that the shop of ``n_events`` sells, as rows of the lake's table."""
    n = assortment_size(n_events)
    number = np.arange(n)
    when = pa.array([FIRST_DAY] * n, PRODUCTS_SCHEMA.field("updated_at").type)
    line = _ids("line ", number // LINE)
    columns = {
        "item_id": _ids("i", number),
        "name": pa.array([f"thing {place % 7} of line {place // LINE}" for place in range(n)]),
        "category_id": line,
        "price": pa.array(1.0 + number % 97),
        "currency": pa.array(["EUR"] * n),
        "in_stock": pa.array([True] * n),
        "hidden": pa.array([False] * n),
        "rebuyable": pa.array([True] * n),
        "published_at": when,
        "updated_at": when,
        "log_partition": pa.array(np.zeros(n, np.int32)),
        "log_offset": pa.array(number),
    }
    return _table(columns, n, PRODUCTS_SCHEMA)


def _lines(rng: np.random.Generator, customer: Array, n_lines: int) -> Array:
    """The product line of each visit [v]: in eight of ten cases one of the customer's three."""
    favourites = _zipf(rng, n_lines, 3 * (int(customer.max()) + 1)).reshape(-1, 3)
    usual = favourites[customer, rng.integers(3, size=len(customer))]
    any_line = _zipf(rng, n_lines, len(customer))
    return np.asarray(np.where(rng.random(len(customer)) < 0.8, usual, any_line))


def _places(rng: np.random.Generator, first: Array) -> Array:
    """Where in its line the item of each event [n] stands: beside the one before in four of ten cases, else anew."""
    anew = first | (rng.random(len(first)) < 0.6)
    since = np.arange(len(first)) - np.flatnonzero(anew)[np.cumsum(anew) - 1]
    place = _zipf(rng, LINE, int(anew.sum()))[np.cumsum(anew) - 1]
    return np.asarray((place + since) % LINE)


def _zipf(rng: np.random.Generator, n: int, size: int) -> Array:
    """``size`` draws from 0 to n - 1, the k-th as likely as 1/k."""
    cumulated = np.cumsum(1 / np.arange(1, n + 1))
    return np.asarray(np.searchsorted(cumulated, rng.random(size) * cumulated[-1]))


def _items(item: Array, doubled: Array) -> pa.Array:
    """One item an event, and the one beside it too where ``doubled``."""
    lengths = 1 + doubled
    ends = np.cumsum(lengths)
    every = np.repeat(item, lengths)
    second = ends[doubled] - 1
    every[second] = every[second] // LINE * LINE + (every[second] + 1) % LINE
    kind = EVENTS_SCHEMA.field("items").type.value_type
    fields = [
        _ids("i", every) if field.name == "item_id" else pa.nulls(len(every), field.type)
        for field in (kind.field(place) for place in range(kind.num_fields))
    ]
    entries = pa.StructArray.from_arrays(fields, fields=list(kind))
    return pa.ListArray.from_arrays(pa.array(np.r_[0, ends], pa.int32()), entries)


def _ids(prefix: str, numbers: Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, pa.array(numbers).cast(pa.string()), "")


def _table(columns: dict[str, pa.Array], n: int, schema: pa.Schema) -> pa.Table:
    rows = {field.name: columns.get(field.name, pa.nulls(n, field.type)) for field in schema}
    return pa.table(rows, schema=schema)
