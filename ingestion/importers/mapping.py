"""MAPPING.toml: which column of a legacy table is which field of a contract. ``docs/importing.md`` has an example.

Everything that can be wrong with a mapping is found before a line is read, and said with the key, what is known there
and the nearest name.
"""

import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from feature_repo.errors import BadInput, NotFound
from ingestion.contracts.event import SEGMENT_ALIASES, Consent, Event, EventName, Item
from ingestion.contracts.product import Product
from ingestion.contracts.rejection import field_errors
from ingestion.contracts.taxonomy import Category
from ingestion.importers.source import nearest

_STRICT = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

CATEGORY_LEVELS: Final = ("item_category", "item_category2", "item_category3", "item_category4", "item_category5")
MONEY_AND_NUMBERS: Final = frozenset({"value", "price", "items.price", "items.quantity", "items.index"})
TIMES: Final = frozenset({"event_time", "published_at"})
ATTRIBUTES: Final = "attributes."
"""Products only: ``attributes.colour = "Farbe"``."""

CONTRACT_FIELDS: Final = {
    "events": (
        *(name for name in Event.model_fields if name not in ("items", "producer", "consent")),
        *(f"items.{name}" for name in Item.model_fields),
        *(f"consent.{name}" for name in Consent.model_fields),
    ),
    "products": tuple(name for name in Product.model_fields if name != "attributes"),
    "taxonomy": tuple(Category.model_fields),
}
"""Target -> the fields that a mapping may fill."""


class FileForm(BaseModel):
    model_config = _STRICT

    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    """Absent: found out from the first line."""
    encoding: str = "cp1252"
    """Of lines that are no UTF-8."""
    decimal: Literal[".", ","] = "."
    """With a comma, points are taken for thousands: 1.234,50."""


class TimeForm(BaseModel):
    model_config = _STRICT

    format: str = "iso"
    """``iso``, ``epoch_s``, ``epoch_ms`` or a strptime pattern such as ``%d.%m.%Y %H:%M``."""
    zone: str | None = None
    """Zone of times that bring none of their own, for example ``Europe/Berlin``."""


class Grouping(BaseModel):
    model_config = _STRICT

    by: tuple[str, ...] = Field(min_length=1)
    """Columns, for example the order number: lines of one event name that agree in them are one event."""


class CategoryPath(BaseModel):
    model_config = _STRICT

    column: str
    separator: str = Field(default=">", min_length=1)


class Mapping(BaseModel):
    """What MAPPING.toml says."""

    model_config = _STRICT

    target: Literal["events", "products", "taxonomy"]
    name: str = Field(default="table", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
    """Who produced the table; stands in the events' producer and in the import's id."""
    file: FileForm = FileForm()
    time: TimeForm = TimeForm()
    fields: dict[str, str] = {}
    """Contract field -> column."""
    constants: dict[str, str | bool | int | float] = {}
    """Contract field -> value, where no column is given or the line leaves it empty."""
    values: dict[str, dict[str, str | bool | int | float]] = {}
    """Contract field -> the table's value -> the contract's."""
    prefixes: dict[str, str] = {}
    """Contract field -> text put before each of its values."""
    group: Grouping | None = None
    categories: CategoryPath | None = None
    leave_out: dict[str, tuple[str, ...]] = {}
    """Column -> values; lines that hold one of them there are left out."""

    _text: str = PrivateAttr(default="")

    @property
    def text(self) -> str:
        """The file as written, which is part of the import's identity."""
        return self._text

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is needed, each once."""
        wanted = [*self.fields.values(), *self.leave_out, *(self.group.by if self.group else ())]
        return tuple(dict.fromkeys([*wanted, *([self.categories.column] if self.categories else [])]))

    @classmethod
    def read(cls, path: Path) -> Self:
        """NotFound without a file, BadInput naming the key when it does not fit."""
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFound(f"there is no mapping {path}; docs/importing.md shows how to write one") from error
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the mapping {path} cannot be read: {error}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, where: str) -> Self:
        try:
            document = tomllib.loads(text)
            document = {key: _flat(value) if key in _BY_FIELD else value for key, value in document.items()}
            mapping = cls.model_validate(document)
        except tomllib.TOMLDecodeError as error:
            raise BadInput(f"the mapping {where} is no valid TOML: {error}") from error
        except ValidationError as error:
            raise BadInput(f"the mapping {where}: {_told(error)}") from error
        mapping._text = text
        for problem in mapping._problems():
            raise BadInput(f"the mapping {where}: {problem}")
        return mapping

    def _problems(self) -> Iterator[str]:
        yield from self._unknown_fields()
        given = {*self.fields, *self.constants}
        path = self.categories is not None
        if self.target == "events":
            for field in ("event_name", "event_time"):
                if field not in given:
                    yield f"{field} is missing; give its column in [fields] or its value in [constants]"
            if not given & {"user_id", "anonymous_id"}:
                yield "[fields] needs user_id or anonymous_id: an event belongs to a customer"
            if path and "items.item_id" not in given:
                yield "[categories] needs items.item_id in [fields]: they are categories of an item"
            for value in [*self.values.get("event_name", {}).values(), self.constants.get("event_name", "purchase")]:
                if value not in _EVENT_NAMES:
                    near = nearest(str(value), _EVENT_NAMES)
                    yield f"event_name {value!r} is unknown{near}; {_known(_EVENT_NAMES)}"
        elif self.group is not None:
            yield f"[group] joins lines to events; leave it out for target {self.target!r}"
        if self.target == "products" and "item_id" not in given:
            yield "item_id is missing; give its column in [fields]"
        if self.target == "taxonomy" and path == ("category_id" in given):
            yield "a taxonomy comes from category_id and parent_id in [fields] or from [categories], one of the two"
        yield from self._time_problems()

    def _unknown_fields(self) -> Iterator[str]:
        known = CONTRACT_FIELDS[self.target]
        for table in _BY_FIELD:
            for field in getattr(self, table):
                if field not in known and not (self.target == "products" and field.startswith(ATTRIBUTES)):
                    yield f"[{table}] {field} is no field of {self.target}{nearest(field, known)}; {_known(known)}"
        for table in ("values", "prefixes"):
            for field in getattr(self, table):
                if field not in self.fields:
                    yield f"[{table}] {field} has no column in [fields]{nearest(field, list(self.fields))}"

    def _time_problems(self) -> Iterator[str]:
        form = self.time.format
        if form not in ("iso", "epoch_s", "epoch_ms"):
            if "%" not in form:
                known = ("iso", "epoch_s", "epoch_ms")
                yield f"[time] format {form!r} is unknown{nearest(form, known)}; {_known(known)}, or a strptime pattern"
            try:
                datetime.strptime(datetime(2000, 1, 1).strftime(form), form)  # noqa: DTZ001, DTZ007  # only tries it
            except ValueError as error:
                yield f"[time] format {form!r} is no strptime pattern: {error}"
        zone = self.time.zone
        if zone is not None and zone not in available_timezones():
            yield f"[time] zone {zone!r} is unknown{nearest(zone, sorted(available_timezones()))}; for example UTC"
        if zone is None and "%" in form and "%z" not in form and TIMES & {*self.fields}:
            yield f"[time] format {form!r} has no zone of its own; give [time] zone, for example Europe/Berlin"

    def zone_info(self) -> ZoneInfo | None:
        return ZoneInfo(self.time.zone) if self.time.zone else None


_EVENT_NAMES: Final = (*(name.value for name in EventName), *SEGMENT_ALIASES)
_BY_FIELD: Final = ("fields", "constants", "values", "prefixes")
_TABLES: Final[dict[str, type[BaseModel]]] = {
    "": Mapping,
    "file": FileForm,
    "time": TimeForm,
    "group": Grouping,
    "categories": CategoryPath,
}


def _flat(table: Any, prefix: str = "") -> Any:
    """``items.price = …`` without quotes is a table to TOML; here it is the dotted name that was meant."""
    if not isinstance(table, dict):
        return table
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict) and f"{prefix}{key}" in ("items", "consent", "attributes"):
            flat.update(_flat(value, f"{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _told(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        told = field_errors(error)[0]
        return f"{where}: {told.reason}" + (f" (got {told.value})" if told.value is not None else "")
    *above, key = (str(part) for part in first["loc"])
    known = list(_TABLES[".".join(above)].model_fields)
    return f"{where} is no key of a mapping{nearest(key, known)}; {_known(known)}"


def _known(names: Iterable[str]) -> str:
    return f"known are {', '.join(names)}"
