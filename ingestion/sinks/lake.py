"""The lake: Delta tables of what the log holds, each record exactly once.

**Exactly-once** rests on one thing: the offsets that a batch reaches are stored in the same Delta commit as its rows
(``txn`` actions, one application id for each topic partition of each log). Delta does not refuse a replay by itself,
so ``append`` reads the stored offsets from the very handle it commits through and leaves out what is already there;
a writer that lost a race gets a commit conflict, reads again and leaves out what the other one wrote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from pydantic import BaseModel

from feature_repo.errors import Misconfigured, TryLater
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.tables import TABLES, TIMESTAMP
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.transports.log import PRODUCTS, TAXONOMY

PARTITION_BY: Final = {"events": ["event_date"], "exposures": ["exposure_date"]}
COMMIT_ATTEMPTS: Final = 8
MAX_PARTITIONS: Final = 256
"""Offsets are looked up for partitions below this number; no log we create has more."""
_WRITER: Final = WriterProperties(compression="ZSTD", compression_level=1)
_MARK: Final = "shopfloor"
"""Tables carry ``shopfloor.<table>`` as their name, which is how a lake that is not ours is told apart."""

M = TypeVar("M", bound=BaseModel)


class Source(NamedTuple):
    """Where rows came from: a topic of one particular log."""

    log_id: str
    topic: str

    def application(self, partition: int) -> str:
        return f"{self.log_id}/{self.topic}/{partition}"


class Lake:
    """The tables below one address, a folder or an object-store URL. Safe for several writing processes."""

    def __init__(self, address: str, storage_options: Mapping[str, str] | None = None) -> None:
        self._address = address.rstrip("/")
        self._options = dict(storage_options or {})
        self._handles: dict[str, DeltaTable] = {}

    def append(self, table: str, rows: pa.Table, source: Source, reached: Mapping[int, int]) -> int:
        """Add the rows, exactly once, with the offset that each partition has reached; the number of rows added.

        ``reached`` maps a partition to the offset of its next record. Rows below an offset that the lake already
        has are left out. Raises TryLater when the lake cannot be written.
        """
        for _ in range(COMMIT_ATTEMPTS):
            handle = self._opened(table)
            with self._reachable(table):
                stored = self._offsets(handle, source, list(reached))
            fresh = _beyond(rows, stored)
            news = {p: offset for p, offset in reached.items() if offset > stored.get(p, 0)}
            if not news:
                return 0
            transactions = [Transaction(source.application(p), offset) for p, offset in news.items()]
            try:
                with self._reachable(table):
                    write_deltalake(
                        handle,
                        fresh,
                        mode="append",
                        schema_mode="merge" if _differs(handle, fresh.schema) else None,
                        writer_properties=_WRITER,
                        commit_properties=CommitProperties(app_transactions=transactions),
                    )
            except CommitFailedError:
                del self._handles[table]
                continue
            return int(fresh.num_rows)
        raise TryLater(f"lake table {table} at {self._address}: other writers won {COMMIT_ATTEMPTS} commits in a row")

    def offsets(self, table: str, source: Source, partitions: Sequence[int]) -> dict[int, int]:
        """The offset up to which the table holds each partition; a partition it knows nothing of is absent."""
        self._handles.pop(table, None)
        with self._reachable(table):
            return self._offsets(self._opened(table), source, partitions)

    def files(self, table: str) -> list[str]:
        """The table's live Parquet files; read them in DuckDB with hive_partitioning and union_by_name."""
        with self._reachable(table):
            handle = self._opened(table)
            handle.update_incremental()
            return list(handle.file_uris())

    def event_files(self) -> list[str]:
        return self.files("events")

    def products(self, log_id: str) -> tuple[list[StoredProduct], dict[int, int]]:
        """The newest record of each product and market, and the offsets of the products topic that they reach."""
        newest = "SELECT DISTINCT ON (item_id, market) * FROM rows ORDER BY item_id, market, log_offset DESC"
        return self._snapshot("products", newest, StoredProduct, Source(log_id, PRODUCTS))

    def categories(self, log_id: str) -> tuple[list[StoredCategory], dict[int, int]]:
        """The nodes of all taxonomy versions, oldest version first, and the offsets that they reach."""
        in_order = "SELECT * FROM rows ORDER BY taxonomy_version, log_offset"
        return self._snapshot("taxonomy", in_order, StoredCategory, Source(log_id, TAXONOMY))

    def recent_ids(
        self, table: str, id_column: str, time_column: str, since: datetime
    ) -> Iterator[tuple[list[str], int]]:
        """The ids of rows that came after ``since``, with the newest time of each lot in microseconds."""
        with self._reachable(table):
            handle = self._opened(table)
            handle.update_incremental()
            rows = handle.to_pyarrow_dataset().scanner(
                columns=[id_column, time_column], filter=pc.field(time_column) >= pa.scalar(since, TIMESTAMP)
            )
            for batch in rows.to_batches():
                if batch.num_rows:
                    yield batch[id_column].to_pylist(), pc.max(batch[time_column]).cast(pa.int64()).as_py()

    def compact(self, table: str, min_files: int = 32) -> bool:
        """Merge small files when there are many; readers keep their files, which a later vacuum removes."""
        with self._reachable(table):
            handle = self._opened(table)
            handle.update_incremental()
            partitions = max(1, len(handle.partitions())) if table in PARTITION_BY else 1
            if len(handle.file_uris()) < min_files + 2 * partitions:
                return False
            try:
                handle.optimize.compact()
            except CommitFailedError:  # a deletion changed the same files first; the next round compacts
                return False
            handle.vacuum(dry_run=False)
            handle.cleanup_metadata()
            return True

    def check(self) -> str:
        """One line about the tables that are there; Misconfigured or TryLater with what to do otherwise."""
        for table in TABLES:
            self._opened(table)
        return f"{len(TABLES)} Delta tables at {self._address}"

    def _offsets(self, handle: DeltaTable, source: Source, partitions: Sequence[int]) -> dict[int, int]:
        versions = ((p, handle.transaction_version(source.application(p))) for p in partitions)
        return {p: version for p, version in versions if version is not None}

    def _opened(self, table: str) -> DeltaTable:
        if table not in self._handles:
            with self._reachable(table):
                self._handles[table] = self._open_or_create(table)
        return self._handles[table]

    def _open_or_create(self, table: str) -> DeltaTable:
        uri = f"{self._address}/{table}"
        if "://" not in uri and (files := [path for path in Path(uri).parents if path.is_file()]):
            raise Misconfigured(
                f"{files[0]} is a file where the lake's folder should be; point SHOPFLOOR_LAKE, or SHOPFLOOR_DATA, "
                "elsewhere"
            )
        try:
            handle = DeltaTable(uri, storage_options=self._options)
        except TableNotFoundError:
            local = Path(uri)
            # A folder for the log alone is a table that another process is making at this moment.
            if "://" not in uri and local.exists() and any(path.name != "_delta_log" for path in local.iterdir()):
                raise Misconfigured(
                    f"{uri} holds files but no Delta table; point SHOPFLOOR_LAKE at an empty folder or at our own lake"
                ) from None
            return DeltaTable.create(
                uri,
                schema=TABLES[table],
                mode="ignore",
                partition_by=PARTITION_BY.get(table),
                name=f"{_MARK}.{table}",
                configuration={"delta.checkpointInterval": "50", "delta.logRetentionDuration": "interval 7 days"},
                storage_options=self._options,
            )
        if handle.metadata().name != f"{_MARK}.{table}":
            raise Misconfigured(
                f"the Delta table at {uri} is not one of ours (its name is {handle.metadata().name!r}); "
                "point SHOPFLOOR_LAKE at an empty folder or at our own lake"
            )
        return handle

    def _snapshot(self, table: str, query: str, model: type[M], source: Source) -> tuple[list[M], dict[int, int]]:
        """Rows and offsets of one table version, so that a reader can go on from there in the log."""
        with self._reachable(table):
            handle = self._opened(table)
            handle.update_incremental()
            rows = handle.to_pyarrow_table()
            with duckdb.connect() as connection:
                records: pa.Table = connection.register("rows", rows).sql(query).to_arrow_table()
            reached = self._offsets(handle, source, range(MAX_PARTITIONS))
        fields = model.model_fields
        return [_record(model, row, fields) for row in records.to_pylist()], reached

    @contextmanager
    def _reachable(self, table: str) -> Iterator[None]:
        try:
            yield
        except CommitFailedError:
            raise
        except (DeltaError, OSError, duckdb.IOException) as error:
            raise TryLater(
                f"lake table {table} at {self._address} cannot be used: {error}; check disk, address and rights"
            ) from error


def _differs(handle: DeltaTable, schema: pa.Schema) -> bool:
    """Whether the contract has fields, at any depth, that the table lacks, for an earlier one made it, or lacks some
    that a later one, of a newer worker beside this, has added; those stay empty."""
    return _paths(schema) != _paths(pa.schema(handle.schema().to_arrow()))


def _paths(fields: Iterable[pa.Field], above: str = "") -> set[str]:
    """The name of every field and of those within it, as ``items.price``."""
    paths: set[str] = set()
    for field in fields:
        name, kind = f"{above}{field.name}", field.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = kind.value_type
        paths.add(name)
        if pa.types.is_struct(kind):
            paths |= _paths(kind, f"{name}.")
    return paths


def _record(model: type[M], row: dict[str, Any], fields: Mapping[str, Any]) -> M:
    """The contract object of a row; the lake holds only what the contract let in, so nothing is checked again."""
    present = {name: value for name, value in row.items() if name in fields and value is not None}
    if isinstance(present.get("attributes"), list):
        present["attributes"] = dict(present["attributes"])
    return model.model_construct(**present)


def _beyond(rows: pa.Table, stored: Mapping[int, int]) -> pa.Table:
    """The rows whose offset the lake does not have yet."""
    fresh = rows
    for partition, offset in stored.items():
        known = pc.and_(pc.equal(fresh["log_partition"], partition), pc.less(fresh["log_offset"], offset))
        if pc.any(known).as_py():  # rarely: a filter copies the whole batch
            fresh = fresh.filter(pc.invert(known))
    return fresh
