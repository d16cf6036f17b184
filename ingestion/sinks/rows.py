"""Contract records to Arrow columns, by the schemas of ``ingestion/contracts/tables.py``.

The columns are read by Arrow from the JSON that pydantic writes (``to_log``): both work in native code, and together
they cost half of what a Python list for each column does (`benchmarks/ingestion.py`).
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import pyarrow as pa
import pyarrow.json

from ingestion.contracts.tables import LOG_COLUMNS
from ingestion.transports.log import Record

_DATE_OF: Final = {"event_date": "event_time", "exposure_date": "shown_at"}
"""Partition columns and the time, in UTC, that each is the day of."""


def table_of(lines: Sequence[bytes], origins: Sequence[Record], schema: pa.Schema) -> pa.Table:
    """One row for each line, the JSON of a valid record. ``origins`` are the log records they were read from."""
    if not lines:
        return schema.empty_table()
    partition, offset = LOG_COLUMNS
    columns = {
        partition.name: pa.array([origin.partition for origin in origins], partition.type),
        offset.name: pa.array([origin.offset for origin in origins], offset.type),
    }
    if maps := [field for field in schema if pa.types.is_map(field.type)]:  # Arrow reads none from a JSON object
        documents = [msgspec.json.decode(line) for line in lines]
        columns |= {f.name: pa.array([list(d[f.name].items()) for d in documents], f.type) for f in maps}
    read = _read(lines, pa.schema([field for field in schema if field.name not in (*columns, *_DATE_OF)]))
    columns |= {name: read[name] for name in read.column_names}
    columns |= {day: read[time].cast(pa.date32()) for day, time in _DATE_OF.items() if day in schema.names}
    return pa.table([columns[name] for name in schema.names], schema=schema)


def _read(lines: Sequence[bytes], schema: pa.Schema) -> pa.Table:
    """The columns of ``schema``; null where a line lacks the field."""
    whole = b"\n".join(lines)
    return pyarrow.json.read_json(
        pa.BufferReader(whole),
        # All in one block: a block must hold a whole line, and a line may be as long as a record of the log.
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(whole) + 1),
        parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
