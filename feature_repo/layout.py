"""The feature views' columns, and the bytes in which Feast keeps them online.

The names and types stand here once: ``definitions.py`` makes Feast's objects from them, ``batch.py`` must produce
them, and the serving path reads them. This module does not import Feast, which costs four seconds and 190 MB, because
every server process reads features. A test holds what is read here equal to Feast's own ``get_online_features``.
"""

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from struct import Struct
from typing import Any, Final

import mmh3

from feature_repo.errors import Misconfigured

PROJECT: Final = "shopfloor"
KEY_VERSION: Final = 3
KNOWN_FEAST: Final = frozenset({"0.67.0"})
"""Releases of Feast whose online layout was read and tested; with any other one we read through Feast itself."""


class Type(Enum):
    """A feature's type; the value is its field in Feast's ``Value`` message."""

    STRING = "string_val"
    INT = "int64_val"
    FLOAT = "double_val"
    STRINGS = "string_list_val"
    INTS = "int64_list_val"
    FLOATS = "double_list_val"

    @property
    def is_list(self) -> bool:
        return self in (Type.STRINGS, Type.INTS, Type.FLOATS)


Scalar = str | int | float
Feature = Scalar | Sequence[str] | Sequence[int] | Sequence[float]


@dataclass(frozen=True, slots=True)
class View:
    """One feature view: the join key of its entity and its features in order."""

    name: str
    join_key: str
    features: Mapping[str, Type]


CUSTOMER_KEY: Final = "customer_key"
ITEM_ID: Final = "item_id"

USER_ACTIVITY: Final = View(
    "user_activity",
    CUSTOMER_KEY,
    {
        "item_ids": Type.STRINGS,
        "kinds": Type.INTS,
        "times": Type.INTS,
        "event_ids": Type.STRINGS,
        "positions": Type.INTS,
        "link_devices": Type.STRINGS,
        "link_times": Type.INTS,
        "n_views": Type.INT,
        "n_carts": Type.INT,
        "n_buys": Type.INT,
        "last_time": Type.INT,
    },
)
"""The last 50 interactions as parallel arrays, oldest first, and counters over them. Times: microseconds, UTC."""

USER_PROFILE: Final = View(
    "user_profile",
    CUSTOMER_KEY,
    {
        "n_orders": Type.INT,
        "n_items": Type.INT,
        "spend": Type.FLOAT,
        "currency": Type.STRING,
        "first_order_time": Type.INT,
        "last_order_time": Type.INT,
        "days_since_first_order": Type.FLOAT,
        "days_since_last_order": Type.FLOAT,
        "mean_days_between_orders": Type.FLOAT,
        "bought_items": Type.STRINGS,
        "bought_counts": Type.INTS,
        "bought_last_times": Type.INTS,
        "top_categories": Type.STRINGS,
        "top_category_shares": Type.FLOATS,
        "main_market": Type.STRING,
        "price_level": Type.FLOAT,
    },
)
"""What a customer bought so far, net of refunds. Days are as of the row's time; times: microseconds, UTC."""

WINDOW_DAYS: Final = (1, 7, 28)
ITEM_STATS: Final = View(
    "item_stats",
    ITEM_ID,
    {f"{count}_{days}d": Type.INT for days in WINDOW_DAYS for count in ("views", "carts", "buys", "customers")}
    | {
        "conversion_28d": Type.FLOAT,
        "mean_price": Type.FLOAT,
        "first_seen_time": Type.INT,
        "days_since_first_seen": Type.FLOAT,
        "repeat_purchase_rate": Type.FLOAT,
    },
)
"""How an item fared in the last 1, 7 and 28 days, the running day included."""

ITEM_CATALOG: Final = View(
    "item_catalog",
    ITEM_ID,
    {
        "name": Type.STRING,
        "brand": Type.STRING,
        "category_id": Type.STRING,
        "price": Type.FLOAT,
        "currency": Type.STRING,
        "markets": Type.STRINGS,
        "available_markets": Type.STRINGS,
        "rebuyable": Type.INT,
        "published_time": Type.INT,
    },
)
"""The catalogue's newest record of an item; ``*`` among the markets is the record for all that have none."""

VIEWS: Final = (USER_ACTIVITY, USER_PROFILE, ITEM_STATS, ITEM_CATALOG)
BATCH_VIEWS: Final = (USER_PROFILE, ITEM_STATS, ITEM_CATALOG)

_STRING_TYPE: Final = 2  # feast.types.ValueType.STRING
_U32: Final = Struct("<I")


def is_known() -> bool:
    """Whether the installed Feast writes the layout that this module reads."""
    return version("feast") in KNOWN_FEAST


@cache
def key_prefix(join_key: str) -> bytes:
    """What stands before the value in the key of every entity with this one join key."""
    name = join_key.encode()
    return _U32.pack(1) + _U32.pack(_STRING_TYPE) + _U32.pack(len(name)) + name + _U32.pack(_STRING_TYPE)


def entity_key(join_key: str, value: str) -> bytes:
    """Feast's serialised entity key, version 3, of an entity with one string join key."""
    encoded = value.encode()
    return key_prefix(join_key) + _U32.pack(len(encoded)) + encoded


def sqlite_table(view: View) -> str:
    return f"{PROJECT}_{view.name}"


def redis_key(join_key: str, value: str) -> bytes:
    """The hash that holds all views of one entity."""
    return entity_key(join_key, value) + PROJECT.encode()


@cache
def redis_field(view_name: str, feature: str) -> bytes:
    return mmh3.hash(f"{view_name}:{feature}", signed=False).to_bytes(4, "little")


def redis_time_field(view: View) -> bytes:
    """The field with the time of a view's row, a protobuf ``Timestamp``."""
    return f"_ts:{view.name}".encode()


@cache
def value_class() -> Any:
    """Feast's protobuf message ``Value``, from its generated module and without importing the package Feast.

    If Feast is imported as well, before or after, protobuf hands out the same class: tests hold it to that.
    """
    if "feast" in sys.modules:
        from feast.protos.feast.types.Value_pb2 import Value

        return Value
    package = importlib.util.find_spec("feast")
    path = Path(str(package and package.origin)).parent / "protos" / "feast" / "types" / "Value_pb2.py"
    spec = importlib.util.spec_from_file_location("feature_repo._feast_value", path)
    if spec is None or spec.loader is None or not path.exists():
        raise Misconfigured(f"Feast is not installed as we know it: {path} is missing; run make setup")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Value


def encoded(kind: Type, feature: Feature) -> Any:
    """A feature as Feast's ``Value``."""
    value = value_class()()
    if kind.is_list:
        field = getattr(value, kind.value)
        field.SetInParent()  # an empty list is present, not missing
        field.val.extend(feature)
    else:
        setattr(value, kind.value, feature)
    return value


def decoded(kind: Type, raw: bytes) -> Any:
    """The feature in ``raw``: a tuple for a list; empty or zero for null and for no bytes, a feature added later."""
    field = getattr(value_class().FromString(raw), kind.value)
    return tuple(field.val) if kind.is_list else field
