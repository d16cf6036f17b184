"""Contract records to Arrow columns, by the schemas of ``ingestion/contracts/tables.py``.

The columns are read by Arrow from the JSON that pydantic writes: both work in native code, and together they cost
half of what a Python list for each column does (`benchmarks/ingestion.py`).
"""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.json
from pydantic import BaseModel

from ingestion.contracts.parse import to_log
from ingestion.contracts.tables import LOG_COLUMNS
from ingestion.transports.log import Record

_DATE_OF: Final = {"event_date": "event_time", "exposure_date": "shown_at"}
"""Partition columns and the time, in UTC, that each is the day of."""


def table_of(records: Sequence[BaseModel], origins: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """One row a record. ``origins`` are the log records they were read from, in the same order."""
    if not records:
        return schema.empty_table()
    partition, offset = LOG_COLUMNS
    columns = {
        partition.name: pa.array([origin.partition for origin in origins], partition.type),
        offset.name: pa.array([origin.offset for origin in origins], offset.type),
    }
    for field in schema:
        if pa.types.is_map(field.type):  # Arrow reads no map from a JSON object
            columns[field.name] = pa.array(
                [list(record.__dict__[field.name].items()) for record in records], field.type
            )
    read = _read(records, pa.schema([field for field in schema if field.name not in (*columns, *_DATE_OF)]))
    columns |= {name: read[name] for name in read.column_names}
    columns |= {day: read[time].cast(pa.date32()) for day, time in _DATE_OF.items() if day in schema.names}
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _read(records: Sequence[BaseModel], schema: pa.Schema) -> pa.Table:
    """The columns of ``schema``; null where a record lacks the field."""
    lines = b"\n".join(map(to_log, records))
    return pyarrow.json.read_json(
        pa.BufferReader(lines),
        # All in one block: a block must hold a whole line, and a line may be as long as a record of the log.
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
