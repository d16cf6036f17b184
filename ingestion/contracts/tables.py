"""The lake's tables, derived from the contracts: every field of a contract is a column of the same name.

Times are microseconds in UTC. Two columns say where in the log a row came from, so that anyone can prove
that nothing is missing or doubled: ``log_partition`` and ``log_offset``.
"""

import types
import typing
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, get_args, get_origin

import pyarrow as pa
from pydantic import AwareDatetime, BaseModel

from ingestion.contracts.dead_letter import DeadLetter
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.exposure import Exposure
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import StoredCategory

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")
LOG_COLUMNS: Final = (pa.field("log_partition", pa.int32()), pa.field("log_offset", pa.int64()))


def arrow_type(annotation: Any) -> pa.DataType:
    """The Arrow type of a contract field; TypeError for an annotation that no contract uses yet."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return arrow_type(get_args(annotation)[0])
    if origin in (types.UnionType, typing.Union):
        return arrow_type(next(part for part in get_args(annotation) if part is not type(None)))
    if origin in (tuple, list):
        return pa.list_(arrow_type(get_args(annotation)[0]))
    if origin is dict:
        return pa.map_(*(arrow_type(part) for part in get_args(annotation)))
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            return pa.struct(contract_fields(annotation))
        for python, arrow in _SCALARS:
            if issubclass(annotation, python):
                return arrow
    raise TypeError(f"no column type is known for {annotation!r}; add it to ingestion/contracts/tables.py")


_SCALARS: Final[tuple[tuple[type, pa.DataType], ...]] = (
    (StrEnum, pa.string()),
    (str, pa.string()),
    (bool, pa.bool_()),
    (int, pa.int64()),
    (float, pa.float64()),
    (datetime, TIMESTAMP),
    (AwareDatetime, TIMESTAMP),
)


def contract_fields(model: type[BaseModel]) -> list[pa.Field]:
    """One Arrow field for each field of the contract, in its order; all nullable, as Delta readers expect."""
    return [pa.field(name, arrow_type(info.rebuild_annotation())) for name, info in model.model_fields.items()]


def _table(model: type[BaseModel], *derived: pa.Field) -> pa.Schema:
    return pa.schema([*contract_fields(model), *derived, *LOG_COLUMNS])


EVENTS_SCHEMA: Final = _table(ReceivedEvent, pa.field("event_date", pa.date32()))
PRODUCTS_SCHEMA: Final = _table(StoredProduct)
TAXONOMY_SCHEMA: Final = _table(StoredCategory)
EXPOSURES_SCHEMA: Final = _table(Exposure, pa.field("exposure_date", pa.date32()))
DEAD_LETTERS_SCHEMA: Final = _table(DeadLetter)

TABLES: Final[Mapping[str, pa.Schema]] = {
    "events": EVENTS_SCHEMA,
    "products": PRODUCTS_SCHEMA,
    "taxonomy": TAXONOMY_SCHEMA,
    "exposures": EXPOSURES_SCHEMA,
    "dead_letters": DEAD_LETTERS_SCHEMA,
}
"""Table name to schema; the folder below ``<data>/lake/`` has the table's name."""
