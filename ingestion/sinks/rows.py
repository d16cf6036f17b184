"""Contract records to Arrow columns, by the schemas of ``ingestion/contracts/tables.py``."""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from ingestion.contracts.tables import LOG_COLUMNS
from ingestion.transports.log import Record

_DATE_OF: Final = {"event_date": "event_time", "exposure_date": "shown_at"}
"""Partition columns and the time, in UTC, that each is the day of."""


def table_of(records: Sequence[BaseModel], origins: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """One row a record. ``origins`` are the log records they were read from, in the same order."""
    fields = [record.__dict__ for record in records]
    columns = []
    for field in schema:
        if field.name == LOG_COLUMNS[0].name:
            column = pa.array([origin.partition for origin in origins], field.type)
        elif field.name == LOG_COLUMNS[1].name:
            column = pa.array([origin.offset for origin in origins], field.type)
        elif field.name in _DATE_OF:
            column = _utc_days([record[_DATE_OF[field.name]] for record in fields])
        else:
            column = _column([record[field.name] for record in fields], field.type)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        ends = np.fromiter(accumulate(map(len, values), initial=0), np.int32, len(values) + 1)
        return pa.ListArray.from_arrays(ends, _column(list(chain.from_iterable(values)), kind.value_type))
    if pa.types.is_struct(kind):
        present = [None if value is None else value.__dict__ for value in values]
        children = [_column([None if v is None else v[part.name] for v in present], part.type) for part in kind]
        missing = pa.array([value is None for value in values], pa.bool_())
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=missing)
    if pa.types.is_map(kind):
        return pa.array([list(value.items()) for value in values], kind)
    return pa.array(values, kind)


def _utc_days(times: list[Any]) -> pa.Array:
    return pa.array(times, pa.timestamp("us", tz="UTC")).cast(pa.date32())
