"""Training and test files of an evaluation: Parquet, CSV or JSON lines, with any column names."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from feature_repo.activity import KIND_OF_EVENT, Kind
from feature_repo.errors import BadInput, NotFound
from ingestion.contracts.event import EventName
from training.interactions import EVENT, ITEM, MARKET, SESSION, TIME, USER

BASKET: Final = "basket"
PREFIX: Final = "prefix"
LABEL: Final = "label"
CATEGORY: Final = "category"
PARENT: Final = "parent_category"
PRICE: Final = "price"
NAME: Final = "name"
NAMES: Final = (SESSION, USER, BASKET, ITEM, TIME, EVENT, MARKET, PREFIX, LABEL, CATEGORY, PARENT, PRICE, NAME)
_MAY_HAVE_GAPS: Final = [MARKET, CATEGORY, PARENT, PRICE, NAME]

_READERS: Final = {
    ".parquet": "read_parquet($file)",
    ".csv": "read_csv($file, all_varchar=true)",
    ".jsonl": "read_json_auto($file, format='newline_delimited')",
    ".ndjson": "read_json_auto($file, format='newline_delimited')",
}
_KINDS: Final[Mapping[str, Kind]] = {
    **KIND_OF_EVENT,
    **{kind.name.lower(): kind for kind in Kind},
    "addtocart": Kind.CART,
    "transaction": Kind.BUY,
}
_WITHOUT_INTEREST: Final = frozenset(EventName) - frozenset(KIND_OF_EVENT)


def parse_columns(text: str) -> dict[str, str]:
    """``session=SessionId,item=ItemId`` as a mapping from our names to the file's."""
    columns: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column or name not in NAMES:
            raise BadInput(f"--columns has {part!r}; write name=column, where name is one of {', '.join(NAMES)}")
        columns[name] = column
    return columns


def read_file(path: Path, columns: Mapping[str, str], needed: Collection[str], wanted: Collection[str]) -> pd.DataFrame:
    """The columns ``needed`` and, where the file has them, ``wanted``, under our names and in the file's order.

    ``columns`` maps our names to the file's; a name that it leaves out is looked for as it is. Ids come as text,
    ``time`` as int64 (see ``_seconds``) with the rows put in its order, ``event`` as Kind codes, ``prefix`` as lists
    of text. NotFound without the file; BadInput for a column or a value that does not fit, or for no rows at all.
    """
    if not path.is_file():
        raise NotFound(f"there is no file {path}; give a Parquet, CSV or JSON lines file")
    if path.suffix.lower() not in _READERS:
        raise BadInput(f"{path} ends in {path.suffix!r}; known are {', '.join(_READERS)}")
    if _is_empty(path):
        raise BadInput(f"{path} is empty; check that it is the right file")
    with duckdb.connect() as connection:
        try:
            connection.execute("SET TimeZone = 'UTC'")
            types = _types(connection, path)
            chosen = _choose(path, columns, types, needed, wanted)
            select = ", ".join(
                f"{_as_read(name, chosen[name], types[chosen[name]])} AS {_quoted(name)}" for name in chosen
            )
            frame = connection.execute(f"SELECT {select} FROM {_source(path)}", {"file": str(path)}).df()  # noqa: S608
        except duckdb.Error as error:
            raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    _refuse_gaps(frame, path, chosen)
    if EVENT in frame:
        frame = _with_kinds(frame, path, chosen[EVENT])
    if frame.empty:
        raise BadInput(f"{path} holds no rows to use; check that it is the right file")
    if TIME in frame:
        frame = frame.sort_values(TIME, kind="stable", ignore_index=True)
        frame[TIME] = _seconds(frame[TIME].to_numpy(np.float64))
    return frame


def has_columns(path: Path, *names: str) -> bool:
    """Whether the file has all of these columns; False also when it cannot be read."""
    try:
        with duckdb.connect() as connection:
            return set(names) <= set(_types(connection, path))
    except (duckdb.Error, KeyError):
        return False


def _is_empty(path: Path) -> bool:
    """Whether it holds no more than line ends, of which a reader would make a column of its own."""
    with path.open("rb") as lines:
        return not any(line.strip() for line in lines)


def _source(path: Path) -> str:
    return _READERS[path.suffix.lower()]


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _types(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, str]:
    rows = connection.execute(f"DESCRIBE SELECT * FROM {_source(path)}", {"file": str(path)}).fetchall()  # noqa: S608
    return {row[0]: row[1] for row in rows}


def _choose(
    path: Path, columns: Mapping[str, str], types: Mapping[str, str], needed: Collection[str], wanted: Collection[str]
) -> dict[str, str]:
    chosen = {}
    for name in (*needed, *wanted):
        column = columns.get(name, name)
        if column in types:
            chosen[name] = column
        elif name in needed:
            raise BadInput(
                f"{path} has no column {column!r} for {name}; it has {', '.join(types)}. "
                f"Name it with --columns {name}=COLUMN"
            )
    return chosen


def _as_read(name: str, column: str, kind: str) -> str:
    quoted = _quoted(column)
    if name == PREFIX:
        return f"CAST({quoted} AS VARCHAR[])"
    if name == TIME:
        if kind.startswith(("TIMESTAMP", "DATE")):
            return f"epoch_us(CAST({quoted} AS TIMESTAMPTZ))"
        if kind == "VARCHAR":
            return f"coalesce(TRY_CAST({quoted} AS DOUBLE), epoch_us(TRY_CAST({quoted} AS TIMESTAMPTZ)))"
        return f"CAST({quoted} AS DOUBLE)"
    if kind in ("DOUBLE", "FLOAT"):
        # A column of whole numbers with gaps is often stored as floats; its 12.0 is the other file's 12.
        return f"CASE WHEN {quoted} = trunc({quoted}) THEN CAST(CAST({quoted} AS BIGINT) AS VARCHAR) " + (
            f"ELSE CAST({quoted} AS VARCHAR) END"
        )
    return f"CAST({quoted} AS VARCHAR)"


def _refuse_gaps(frame: pd.DataFrame, path: Path, chosen: Mapping[str, str]) -> None:
    for name in frame.columns.difference(_MAY_HAVE_GAPS):
        gaps = frame[name].isna().to_numpy()
        if gaps.any():
            raise BadInput(
                f"{path}, column {chosen[name]!r}: {int(gaps.sum())} rows have no {name} that can be read, "
                f"first row {int(gaps.argmax()) + 1}; fill or remove them"
            )


def _with_kinds(frame: pd.DataFrame, path: Path, column: str) -> pd.DataFrame:
    """``event`` as Kind codes; rows of contract events that show no interest in an item are left out."""
    kind = frame[EVENT].str.lower().map(_KINDS)
    unknown = set(frame[EVENT][kind.isna()].str.lower()) - _WITHOUT_INTEREST
    if unknown:
        raise BadInput(
            f"{path}, column {column!r}: unknown event {sorted(unknown)[0]!r}; known are {', '.join(sorted(_KINDS))}"
        )
    kept = frame[kind.notna()].copy()
    kept[EVENT] = kind[kind.notna()].astype(np.int8)
    return kept


def _seconds(time: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Seconds from seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.

    The largest time decides for the whole column; the bounds lie between the year 5138 in one unit and March 1973
    in the next finer.
    """
    latest = float(time.max(initial=0.0))
    unit = next((u for u, bound in ((1e9, 1e17), (1e6, 1e14), (1e3, 1e11)) if latest > bound), 1.0)
    return (time / unit).astype(np.int64)
