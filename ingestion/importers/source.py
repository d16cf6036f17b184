"""A legacy export as it lies on disk: which format it is, which columns it has, and its lines as columns of text.

CSV, JSON lines (both also gzipped) and Parquet come out the same way: Arrow batches whose columns are text, with the
line each row stands on in ``line``. Whoever reads them converts; here nothing is guessed but encoding and delimiter.
"""

import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, Final, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.errors import BadInput, NotFound
from ingestion.importers.lines import BrokenLine, Lines, delimited_rows, header_of, json_keys, json_rows

BATCH_ROWS: Final = 50_000
_CHUNK: Final = 1 << 20
_DELIMITERS: Final = ",;\t|"


class Format(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


@dataclass(slots=True)
class Batch:
    """Rows of a source: ``table`` has ``line`` (int64) and the wanted columns (string, null where absent)."""

    table: pa.Table
    broken: Sequence[BrokenLine] = ()
    reencoded: int = 0
    """Lines that were no UTF-8 and were read in the fallback encoding."""
    bytes_done: int = 0


@dataclass(frozen=True)
class Source:
    """One file. Lines are numbered from 1 as an editor shows them, header included; Parquet rows from 1."""

    path: Path
    format: Format
    columns: tuple[str, ...]
    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""
    size: int
    delimiter: str = ","
    encoding: str = "cp1252"
    """How to read a line that is no UTF-8."""
    header: str = field(default="", repr=False)

    @classmethod
    def open(cls, path: Path, delimiter: str | None = None, encoding: str = "cp1252") -> "Source":
        """Look at the file. NotFound when there is none; BadInput when it is none of the formats or empty."""
        if not path.is_file():
            raise NotFound(f"there is no file {path}; check the path")
        try:
            with path.open("rb") as stream:
                start = stream.read(4096)
        except OSError as error:
            raise NotFound(f"the file {path} cannot be read: {error.strerror}") from error
        size, digest = path.stat().st_size, _digest(path)
        if start.startswith(b"PAR1"):
            with _parquet(path) as parquet:
                return cls(path, Format.PARQUET, tuple(parquet.schema_arrow.names), digest, size)
        _refuse_foreign(path, start)
        with _opened(path) as stream:
            head = stream.read(4096)
        _refuse_foreign(path, head)
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if not text:
            raise BadInput(f"{path} is empty; there is nothing to import")
        if text.startswith(b"["):
            raise BadInput(f"{path} is one JSON array; make it one object a line, for example with `jq -c '.[]'`")
        if text.startswith(b"{"):
            with _opened(path) as stream:
                return cls(path, Format.JSON_LINES, json_keys(Lines(stream, encoding)), digest, size, "", encoding)
        with _opened(path) as stream:
            header = next(iter(Lines(stream, encoding)))
        delimiter = delimiter or max(_DELIMITERS, key=header.count)
        return cls(path, Format.CSV, header_of(path, header, delimiter), digest, size, delimiter, encoding, header)

    def require(self, wanted: Sequence[str]) -> None:
        """BadInput naming each column that the file does not have, what it has, and the nearest name."""
        for column in wanted:
            known = column in self.columns
            if not known and self.format is Format.JSON_LINES:
                known = column.split(".")[0] in self.columns
            if not known:
                raise BadInput(
                    f"{self.path} has no column {column!r}{nearest(column, self.columns)}; "
                    f"its columns are {', '.join(self.columns)}",
                    column=column,
                    columns=list(self.columns),
                )

    def batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        """The wanted columns, up to BATCH_ROWS rows at a time. Broken lines are given beside, never raised."""
        try:
            yield from self._parquet_batches(wanted) if self.format is Format.PARQUET else self._line_batches(wanted)
        except (EOFError, gzip.BadGzipFile, zlib.error, pa.ArrowException) as error:
            raise BadInput(f"{self.path} is damaged or cut off ({error}); copy it again from where it came") from error

    def texts(self) -> Iterator[tuple[int, str]]:
        """Every line as it stands in the file, with its number: what a person mends. Parquet rows become JSON."""
        if self.format is Format.PARQUET:
            for batch in self.batches(self.columns):
                for row in batch.table.to_pylist():
                    line = row.pop("line")
                    yield line, _json({name: value for name, value in row.items() if value is not None})
            return
        with _opened(self.path) as stream:
            for row in self._rows(Lines(stream, self.encoding), ()):
                yield row[0], row[2].rstrip("\r\n")

    def _rows(self, lines: Lines, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[str | None] | str, str]]:
        if self.format is Format.JSON_LINES:
            return json_rows(lines, wanted)
        places = [self.columns.index(column) for column in wanted]
        return delimited_rows(lines, self.delimiter, len(self.columns), places)

    def _line_batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        with _opened(self.path) as stream:
            lines = Lines(stream, self.encoding)
            numbers: list[int] = []
            rows: list[Sequence[str | None]] = []
            broken: list[BrokenLine] = []
            for number, values, text in self._rows(lines, wanted):
                if isinstance(values, str):
                    broken.append(BrokenLine(number, values, text.rstrip("\r\n")))
                else:
                    numbers.append(number)
                    rows.append(values)
                if len(numbers) + len(broken) >= BATCH_ROWS:
                    yield Batch(_table(wanted, numbers, rows), broken, lines.reencoded, lines.bytes_done)
                    numbers, rows, broken, lines.reencoded = [], [], [], 0
            yield Batch(_table(wanted, numbers, rows), broken, lines.reencoded, lines.bytes_done)

    def _parquet_batches(self, wanted: Sequence[str]) -> Iterator[Batch]:
        with _parquet(self.path) as parquet:
            line, total = 1, max(parquet.metadata.num_rows, 1)
            for rows in parquet.iter_batches(BATCH_ROWS, columns=list(dict.fromkeys(wanted))):
                numbers = pa.array(range(line, line + len(rows)), pa.int64())
                texts = {name: _as_text(rows.column(name)) for name in wanted}
                line += len(rows)
                yield Batch(pa.table({"line": numbers, **texts}), bytes_done=self.size * (line - 1) // total)


def nearest(name: str, known: Sequence[str]) -> str:
    """`` (did you mean 'x'?)``, or nothing when no known name is near."""
    found = get_close_matches(name.lower(), [k.lower() for k in known], n=1, cutoff=0.6)
    return next((f" (did you mean {k!r}?)" for k in known if found and k.lower() == found[0]), "")


def _table(wanted: Sequence[str], numbers: list[int], rows: list[Sequence[str | None]]) -> pa.Table:
    columns: Sequence[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(wanted)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return pa.table([pa.array(numbers, pa.int64()), *arrays], names=["line", *wanted])


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_nested(column.type):
        return pa.array([None if v is None else _json(v) for v in column.to_pylist()], pa.string())
    if pa.types.is_binary(column.type) or pa.types.is_dictionary(column.type):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if zipped else path.open("rb")


def _parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"{path} is a damaged Parquet file ({error}); copy it again from where it came") from error


def _refuse_foreign(path: Path, start: bytes) -> None:
    if start.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise BadInput(f"{path} is an Excel workbook; save it as CSV (UTF-8) and import that")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{path} is UTF-16; convert it, for example with `iconv -f UTF-16 -t UTF-8`")
    if b"\x00" in start and not start.startswith(b"\x1f\x8b"):
        raise BadInput(f"{path} is none of CSV, JSON lines and Parquet; export it as one of these")
