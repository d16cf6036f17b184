"""Any table by a mapping: each line becomes a draft, drafts of one group one event, all through the contract."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from ingestion.contracts.taxonomy import Category
from ingestion.importers.mapping import CATEGORY_LEVELS, MONEY_AND_NUMBERS, TIMES, Mapping
from ingestion.importers.report import Report
from ingestion.importers.source import Source
from ingestion.importers.staging import Progress, Staging
from ingestion.importers.tree import repaired_tree, staged_nodes
from ingestion.transports.log import TAXONOMY

REPEATED: Final = "repeated line: says the same as an earlier line"
CATEGORY_SEPARATOR: Final = " > "
"""Between the names of a path in a category's id."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DRAFTS: Final = "CREATE TABLE drafts (line BIGINT, time_us BIGINT, key VARCHAR, body VARCHAR, item VARCHAR)"


class TableImporter:
    def __init__(self, path: Path, mapping: Mapping) -> None:
        self._source = Source.open(path, mapping.file.delimiter, mapping.file.encoding)
        self._source.require(mapping.columns)
        self._mapping = mapping
        self.name = mapping.name
        self.sources: Sequence[Source] = (self._source,)
        self.fingerprint = f"table 1 {mapping.text}"

    def stage(self, staging: Staging, report: Report, progress: Progress) -> None:
        """Lines that cannot be read are refused one by one; their neighbours go on."""
        staging.run(_DRAFTS)
        staging.run(_RECORD)
        drafting = Drafting(self._mapping)
        paths: dict[str, tuple[str | None, str | None]] = {}
        for batch in self._source.batches(self._mapping.columns):
            report.lines_read += len(batch.table) + len(batch.broken)
            report.repair(f"line was no UTF-8: read as {self._source.encoding}", batch.reencoded)
            staging.refuse(self._source, [(b.line, "(line)", b.text, b.reason) for b in batch.broken])
            self._draft(drafting, batch.table, staging, report, paths)
            progress(f"reading {self._source.path.name}", min(batch.bytes_done, self._source.size), self._source.size)
        report.repair("category path deeper than five: cut after the fifth", drafting.cut_paths)
        if self._mapping.target == "taxonomy":
            self._stage_tree(staging, report, paths)
        else:
            self._stage_records(staging, report)

    def _draft(
        self,
        drafting: "Drafting",
        table: pa.Table,
        staging: Staging,
        report: Report,
        paths: dict[str, tuple[str | None, str | None]],
    ) -> None:
        drafts: list[Draft] = []
        refused: list[tuple[int, str, str | None, str]] = []
        for line, *values in zip(*(column.to_pylist() for column in table.columns), strict=True):
            row = dict(zip(self._mapping.columns, values, strict=True))
            if (rule := drafting.rule_against(row)) is not None:
                report.leave_out(rule, 1)
                continue
            try:
                if self._mapping.target == "taxonomy" and self._mapping.categories:
                    paths.update(drafting.nodes(row))
                else:
                    drafts.append(drafting.draft(line, row))
            except Unreadable as error:
                refused.append((line, error.field, error.value, error.reason))
        if drafts:
            columns = list(zip(*drafts, strict=True))
            staging.insert(
                "drafts", pa.table(dict(zip(("line", "time_us", "key", "body", "item"), columns, strict=True)))
            )
        staging.refuse(self._source, refused)

    def _stage_records(self, staging: Staging, report: Report) -> None:
        before = staging.count("SELECT count(*) FROM drafts")
        staging.run(_DROP_REPEATED)
        report.leave_out(REPEATED, before - staging.count("SELECT count(*) FROM drafts"))
        topic, file = self._mapping.target, str(self._source.path)
        staging.run(_STAGE_SINGLES, {"topic": topic, "file": file})
        if self._mapping.group:
            staging.run(_STAGE_GROUPS, {"topic": topic, "file": file})
            joined, several, unlike = staging.run(_GROUPED)[0]
            report.notes.append(f"{joined} lines became {several} events by {', '.join(self._mapping.group.by)}")
            report.repair("lines of one event disagree: the first line's values and the earliest time taken", unlike)

    def _stage_tree(self, staging: Staging, report: Report, paths: dict[str, tuple[str | None, str | None]]) -> None:
        nodes: list[tuple[str, str | None, str | None]] = [(key, *node) for key, node in paths.items()]
        for line, body in staging.run("SELECT line, body FROM drafts ORDER BY line"):
            node = msgspec.json.decode(body)
            if node.get("category_id") is None:
                staging.refuse(self._source, [(line, "category_id", None, "is missing")])
            else:
                nodes.append((str(node["category_id"]), node.get("parent_id"), node.get("name")))
        categories: list[Category] = repaired_tree(nodes, report)
        staging.stage_catalogue(TAXONOMY, self._source, staged_nodes(categories, staging.started_at))


Draft = tuple[int, int | None, str | None, str, str | None]
"""(line, time in µs, group, JSON of the record without its time and items, JSON of the item)."""


class Unreadable(Exception):
    """A value that cannot be read as the mapping says."""

    def __init__(self, field: str, value: str | None, reason: str) -> None:
        super().__init__(reason)
        self.field, self.value, self.reason = field, value, reason


class Drafting:
    """Lines to drafts. The contract judges later; here only what it could not read is put into its form."""

    def __init__(self, mapping: Mapping) -> None:
        self._mapping = mapping
        self._time = _time_reader(mapping)
        self._constants = list(mapping.constants.items())
        # event_id first: delivery looks for it there
        fields = sorted(mapping.fields.items(), key=lambda pair: pair[0] != "event_id")
        self._fields = [(field, column, self._reader(field)) for field, column in fields]
        self._left_out = [(column, frozenset(values)) for column, values in mapping.leave_out.items()]
        self._encode = msgspec.json.Encoder().encode
        self.cut_paths = 0

    def rule_against(self, row: dict[str, str | None]) -> str | None:
        for column, values in self._left_out:
            if row[column] in values:
                return f"{column} is {row[column]!r}"
        return None

    def draft(self, line: int, row: dict[str, str | None]) -> Draft:
        """Raises Unreadable."""
        record: dict[str, Any] = {}
        item: dict[str, Any] = {}
        for field, column, read in self._fields:
            text = row[column]
            if text is not None:
                _put(record, item, field, read(text))
        for field, value in self._constants:
            _put(record, item, field, self._time(str(value)) if field in TIMES else value, only_if_absent=True)
        self._put_categories(record, item, row)
        time = record.pop("event_time", None)
        if self._mapping.target == "events":
            if time is None:
                raise Unreadable("event_time", None, "is missing")
            record["producer"] = {"name": f"import-{self._mapping.name}"}
        body = self._encode(record).decode()
        return line, _micros(time), self._key(record, row), body, self._encode(item).decode() if item else None

    def nodes(self, row: dict[str, str | None]) -> dict[str, tuple[str | None, str | None]]:
        """category_id -> (parent_id, name) of every category on the line's path."""
        names = self._path(row)
        if not names:
            raise Unreadable("category_id", None, "is missing: the path is empty")
        ids = [CATEGORY_SEPARATOR.join(names[: depth + 1]) for depth in range(len(names))]
        return {key: (ids[depth - 1] if depth else None, names[depth]) for depth, key in enumerate(ids)}

    def _put_categories(self, record: dict[str, Any], item: dict[str, Any], row: dict[str, str | None]) -> None:
        names = self._path(row)
        if not names:
            return
        if self._mapping.target == "events":
            self.cut_paths += len(names) > len(CATEGORY_LEVELS)
            item.update(zip(CATEGORY_LEVELS, names, strict=False))
        else:
            record.setdefault("category_id", CATEGORY_SEPARATOR.join(names))

    def _path(self, row: dict[str, str | None]) -> list[str]:
        path = self._mapping.categories
        parts = (row[path.column] or "").split(path.separator) if path else []
        return [name for part in parts if (name := part.strip())]

    def _key(self, record: dict[str, Any], row: dict[str, str | None]) -> str | None:
        group = self._mapping.group
        parts = [row[column] for column in group.by] if group else []
        if not parts or None in parts:
            return None
        return self._encode([record.get("event_name"), *parts]).decode()

    def _reader(self, field: str) -> Callable[[str], Any]:
        """Text of a column to the value of ``field``."""
        if field in TIMES:
            return lambda text: self._read_time(field, text)
        values = self._mapping.values.get(field, {})
        prefix = self._mapping.prefixes.get(field, "")
        comma = field in MONEY_AND_NUMBERS and self._mapping.file.decimal == ","

        def read(text: str) -> Any:
            if text in values:
                return values[text]
            if comma:
                text = text.replace(".", "").replace(",", ".")
            return prefix + text

        return read

    def _read_time(self, field: str, text: str) -> datetime:
        try:
            time = self._time(text)
        except (ValueError, OverflowError) as error:
            form = self._mapping.time.format
            raise Unreadable(field, text, f"is no time of the format {form}; see [time] in the mapping") from error
        if time.tzinfo is None:
            raise Unreadable(field, text, "has no zone; give [time] zone in the mapping")
        return time.astimezone(UTC)


def _put(record: dict[str, Any], item: dict[str, Any], field: str, value: Any, only_if_absent: bool = False) -> None:
    head, _, rest = field.partition(".")
    into = record if not rest else item if head == "items" else record.setdefault(head, {})
    if not (only_if_absent and (rest or head) in into):
        into[rest or head] = value


def _time_reader(mapping: Mapping) -> Callable[[str], datetime]:
    """A reader of the mapping's times; ValueError for any other. Of an hour that comes twice it takes the first."""
    form, zone = mapping.time.format, mapping.zone_info()
    if form in ("epoch_s", "epoch_ms"):
        unit = 1 if form == "epoch_s" else 1000
        return lambda text: _EPOCH + timedelta(seconds=float(text) / unit)

    def read(text: str) -> datetime:
        time = datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)  # noqa: DTZ007
        return time.replace(tzinfo=zone) if time.tzinfo is None and zone else time

    return read


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1)


_RECORD: Final = """
CREATE MACRO record(body, time_us, items) AS
    left(body, -1) || coalesce(',"event_time":"' || rfc3339(time_us) || '"', '')
    || coalesce(',"items":[' || items || ']', '') || '}'
"""

_DROP_REPEATED: Final = """
DELETE FROM drafts WHERE line IN (
    SELECT line FROM drafts QUALIFY row_number() OVER (PARTITION BY time_us, key, body, item ORDER BY line) > 1
)
"""

_STAGE_SINGLES: Final = """
INSERT INTO staged
SELECT $topic, coalesce(time_us, 0), line, 0, $file, [line], record(body, time_us, items) FROM (
    SELECT line, time_us, body, item AS items FROM drafts WHERE key IS NULL
)
"""

_STAGE_GROUPS: Final = """
INSERT INTO staged
SELECT $topic, time_us, line, 0, $file, lines, record(body, time_us, items) FROM (
    SELECT key, min(time_us) AS time_us, min(line) AS line, list(line ORDER BY line) AS lines,
           arg_min(body, line) AS body, string_agg(item, ',' ORDER BY line) AS items
    FROM drafts WHERE key IS NOT NULL GROUP BY key
)
"""

_GROUPED: Final = """
SELECT coalesce(sum(lines), 0), count(*), count(*) FILTER (unlike) FROM (
    SELECT count(*) AS lines, count(DISTINCT body) > 1 OR count(DISTINCT time_us) > 1 AS unlike
    FROM drafts WHERE key IS NOT NULL GROUP BY key
)
"""
