"""The lines of a text export, however broken: one bad line never takes its neighbours with it."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import msgspec

from feature_repo.errors import BadInput

MAX_RECORD_LINES: Final = 100
"""A quoted field that runs over more lines than this is taken for a quote that was never closed."""


class BrokenLine(NamedTuple):
    line: int
    reason: str
    text: str


class _Runaway(Exception):
    """A record that swallows line after line."""


class Lines:
    """Physical lines as text: UTF-8, else ``fallback``, else Latin-1, decided line by line.

    ``taken`` holds the lines since the last ``record_done``, so that a broken record can be given back.
    """

    def __init__(self, stream: IO[bytes], fallback: str) -> None:
        self._stream = stream
        self._fallback = fallback
        self._returned: list[str] = []
        self.taken: list[str] = []
        self.number = 0
        """Lines handed out so far."""
        self.reencoded = 0
        self.bytes_done = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._returned:
            line = self._returned.pop()
        else:
            raw = next(self._stream)
            self.bytes_done += len(raw)
            try:
                line = raw.decode()
            except UnicodeDecodeError:
                line = self._reencoded(raw)
            if self.number == 0:
                line = line.removeprefix("\ufeff")
        self.number += 1
        self.taken.append(line)
        if len(self.taken) > MAX_RECORD_LINES:
            raise _Runaway
        return line

    def record_done(self) -> None:
        self.taken = []

    def give_back(self) -> str:
        """Keep the first line of the record as broken and hand the others out again."""
        first, *others = self.taken
        self._returned.extend(reversed(others))
        self.number -= len(others)
        self.taken = []
        return first

    def _reencoded(self, raw: bytes) -> str:
        self.reencoded += 1
        try:
            return raw.decode(self._fallback)
        except UnicodeDecodeError:
            return raw.decode("latin-1")


def delimited_rows(
    lines: Lines, delimiter: str, width: int, places: Sequence[int]
) -> Iterator[tuple[int, Sequence[str | None] | str, str]]:
    """(line, the fields at ``places`` or what is wrong, text) of each record after the header. Blank lines are passed.

    Empty fields are None.
    """
    next(lines, None)
    lines.record_done()
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        number = lines.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, _Runaway) as error:
            reason = "a quote is never closed" if _never_closed(error) else f"is no valid CSV: {error}"
            yield number, reason, lines.give_back()
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        text = "".join(lines.taken)
        lines.record_done()
        if len(fields) == width:
            yield number, [fields[place].strip() or None for place in places], text
        elif fields:
            yield number, f"has {len(fields)} fields where the header has {width}", text


def json_rows(lines: Lines, wanted: Sequence[str]) -> Iterator[tuple[int, Sequence[str | None] | str, str]]:
    """(line, the wanted values as text or what is wrong, text) of each JSON object; ``a.b`` looks into objects."""
    decode = msgspec.json.Decoder().decode
    for text in lines:
        lines.record_done()
        if not text.strip():
            continue
        try:
            record = decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            yield lines.number, f"is no valid JSON: {_without_position(error)}", text
            continue
        if isinstance(record, dict):
            yield lines.number, [_text(_value(record, name)) for name in wanted], text
        else:
            yield lines.number, "is no JSON object", text


def header_of(path: Path, line: str, delimiter: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter), []))
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise BadInput(f"{path} has two columns named {doubled!r} in its first line; rename one")
    return names


def json_keys(lines: Lines) -> tuple[str, ...]:
    """The keys of the first thousand objects, in the order they are first seen."""
    keys: dict[str, None] = {}
    for text in islice(lines, 1000):
        lines.record_done()
        try:
            record = msgspec.json.decode(text)
        except msgspec.DecodeError:
            continue
        if isinstance(record, dict):
            keys.update(dict.fromkeys(record))
    return tuple(keys)


def _never_closed(error: Exception) -> bool:
    return isinstance(error, _Runaway) or "unexpected end of data" in str(error) or "field larger" in str(error)


def _without_position(error: Exception) -> str:
    return str(error).split(" (byte")[0]


def _value(record: dict[str, Any], name: str) -> Any:
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value.strip() or None if value else None
    return msgspec.json.encode(value).decode()
