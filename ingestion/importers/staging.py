"""The workbench of an import: the source's lines in a DuckDB file, from which the records are put in order.

Nothing is sent before the whole source has been read, so a wrong column or mapping is found first, and events leave
in the order in which they happened. DuckDB keeps what does not fit in memory on disk.
"""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import duckdb
import pyarrow as pa

from feature_repo.errors import TryLater
from ingestion.contracts.rejection import FieldError, shown
from ingestion.importers.report import Report
from ingestion.importers.source import Source
from ingestion.transports.log import EVENTS, PRODUCTS, TAXONOMY

MEMORY_LIMIT: Final = "1GB"
SEND_ROWS: Final = 1_000
ORDER: Final = (TAXONOMY, PRODUCTS, EVENTS)
"""The catalogue goes first, so that no event names an item that is not known yet."""

Progress = Callable[[str, int, int], None]
"""Told the phase (``reading x.csv``, ``sending events``), how much is done and how much there is."""

_NO_ROOM: Final = (
    duckdb.OutOfMemoryException,
    duckdb.IOException,
    duckdb.TransactionException,  # a commit that the disk does not take; nobody else writes here
    duckdb.FatalException,
)

_TABLES: Final = """
    CREATE TABLE staged (topic VARCHAR, time_us BIGINT, line BIGINT, part INTEGER, file VARCHAR, lines BIGINT[],
                         raw VARCHAR);
    CREATE TABLE refused (file VARCHAR, line BIGINT, field VARCHAR, value VARCHAR, reason VARCHAR);
    -- a number may have gone through a float on its way: 1016.0 is category 1016
    CREATE MACRO plain_id(id) AS regexp_replace(trim(id), '\\.0$', '');
    CREATE MACRO rfc3339(time_us) AS strftime(make_timestamp(time_us), '%Y-%m-%dT%H:%M:%S.%fZ');
"""


class Staged(NamedTuple):
    """A record ready for its contract. ``raw`` is JSON; an event in it may lack its event_id."""

    file: str
    lines: list[int]
    raw: str


class Importer(Protocol):
    """One kind of legacy export."""

    name: str
    sources: Sequence[Source]
    fingerprint: str
    """What besides the files' bytes decides the outcome: rules' version, mapping."""

    def stage(self, staging: "Staging", report: Report, progress: Progress) -> None:
        """Read the sources, tell the report what is repaired and left out, and fill ``staged`` and ``refused``."""
        ...


class Staging:
    """A folder with one DuckDB database, gone when the import ends. TryLater when its disk is full."""

    def __init__(self, folder: Path, started_at: str) -> None:
        self._folder = folder
        self.started_at = started_at
        """When the import first began, ISO 8601 with zone; a resumed one keeps it."""
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run left behind
        folder.mkdir(parents=True)
        self.db = duckdb.connect(str(folder / "staging.duckdb"))
        self.db.execute(f"SET memory_limit = '{MEMORY_LIMIT}'; SET temp_directory = '{_quoted(folder / 'spill')}'")
        self.db.execute("SET TimeZone = 'UTC'; SET threads = 2")
        self.db.execute("SET enable_progress_bar = false")  # it would go to standard output
        self.db.execute(_TABLES)

    def close(self) -> None:
        with contextlib.suppress(*_NO_ROOM):
            self.db.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        try:
            return self.db.execute(sql, values).fetchall()
        except _NO_ROOM as error:
            raise TryLater(f"the import's workbench is out of room ({error}); make room on the disk") from error

    def count(self, sql: str) -> int:
        return int(self.run(sql)[0][0])

    def insert(self, table: str, rows: pa.Table, select: str = "SELECT * FROM batch") -> None:
        """Append Arrow rows; ``select`` may choose among them, from ``batch``."""
        self.db.register("batch", rows)
        self.run(f"INSERT INTO {table} {select}")
        self.db.unregister("batch")

    def load(
        self,
        table: str,
        source: Source,
        columns: Sequence[str],
        report: Report,
        progress: Progress,
        select: str = "SELECT * FROM batch",
    ) -> None:
        """Read ``source`` into a new table of ``line`` and the columns as text; broken lines become refusals."""
        typed = ", ".join(f'"{column.replace(chr(34), chr(34) * 2)}" VARCHAR' for column in columns)
        self.run(f"CREATE TABLE {table} (line BIGINT{', ' if typed else ''}{typed})")
        for batch in source.batches(columns):
            report.lines_read += len(batch.table) + len(batch.broken)
            report.repair(f"line was no UTF-8: read as {source.encoding}", batch.reencoded)
            self.insert(table, batch.table, select)
            self.refuse(source, [(b.line, "(line)", b.text, b.reason) for b in batch.broken])
            progress(f"reading {source.path.name}", min(batch.bytes_done, source.size), source.size)
        progress(f"reading {source.path.name}", source.size, source.size)

    def refuse(self, source: Source, errors: Sequence[tuple[int, str, str | None, str]]) -> None:
        """(line, field, value, reason) of lines that are refused before their contract sees them."""
        self.refuse_lines([(str(source.path), line, *error) for line, *error in errors])

    def refuse_lines(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            cut = [(*row[:3], shown(row[3]), row[4]) for row in rows]
            schema = [("file", pa.string()), ("line", pa.int64())]
            schema += [(name, pa.string()) for name in ("field", "value", "reason")]
            arrays = [
                pa.array(column, type_) for column, (_, type_) in zip(zip(*cut, strict=True), schema, strict=True)
            ]
            self.insert("refused", pa.table(arrays, names=[name for name, _ in schema]))

    def stage_catalogue(self, topic: str, source: Source, raw: Sequence[str]) -> None:
        """Products or categories that no single line stands for, in the order given."""
        places = pa.array(range(len(raw)), pa.int64())
        rows = pa.table({"place": places, "raw": pa.array(raw, pa.string())})
        file = str(source.path).replace("'", "''")
        self.insert("staged", rows, f"SELECT '{topic}', 0, place, 0, '{file}', [], raw FROM batch")  # noqa: S608

    def totals(self) -> dict[str, int]:
        return dict(self.run("SELECT topic, count(*) FROM staged GROUP BY topic"))

    def batches(self, topic: str) -> Iterator[list[Staged]]:
        """The records of a topic in the order they happened, always cut in the same places."""
        query = "SELECT file, lines, raw FROM staged WHERE topic = ? ORDER BY time_us, line, part, raw"
        cursor = self.db.cursor()
        try:
            result = cursor.execute(query, [topic])
            while rows := result.fetchmany(SEND_ROWS):
                yield [Staged(*row) for row in rows]
        except _NO_ROOM as error:
            raise TryLater(f"the import's workbench is out of room ({error}); make room on the disk") from error
        finally:
            cursor.close()

    def report_refused(self, report: Report) -> None:
        """Count in the report what was refused while staging, in the order of the lines."""
        cursor = self.db.cursor()
        result = cursor.execute("SELECT file, line, field, value, reason FROM refused ORDER BY file, line")
        while rows := result.fetchmany(SEND_ROWS):
            for file, line, field, value, reason in rows:
                report.refuse(file, line, FieldError(field, value, reason))
        cursor.close()


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
