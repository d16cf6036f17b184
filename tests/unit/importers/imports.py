"""Building blocks: files as they come from old systems, and one import of them into a log in memory."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ingestion.importers.mapping import Mapping
from ingestion.importers.run import run_import
from ingestion.importers.staging import Importer
from ingestion.importers.table import TableImporter
from tests.unit.importers.memory_log import MemoryLog

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)

VIEWS = """
target = "events"
[fields]
event_name = "event"
event_time = "time"
user_id = "user"
items.item_id = "item"
"""
"""A mapping for lines such as ``view_item,2025-05-01T10:00:00Z,u1,p1``."""

HEADER = "event,time,user,item"


def a_view(n: int = 0) -> str:
    return f"view_item,2025-05-01T10:{n // 60 % 60:02}:{n % 60:02}Z,u{n},p{n}"


def a_file(folder: Path, lines: Sequence[str], header: str = HEADER, name: str = "old.csv") -> Path:
    path = folder / name
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def a_table(path: Path, mapping: str = VIEWS) -> TableImporter:
    return TableImporter(path, Mapping.parse(mapping, "MAPPING.toml"))


async def imported(importer: Importer, log: Any, folder: Path, **options: Any) -> dict[str, Any]:
    """The report as JSON."""
    clock: Callable[[], datetime] = options.pop("now", lambda: NOW)
    report = await run_import(importer, log, folder / "imports", clock, lambda *_: None, **options)
    return report.as_json()


def refused(report: dict[str, Any]) -> dict[str, list[int]]:
    """Field and reason -> the example lines."""
    return {f"{r['field']}: {r['reason']}": [e["line"] for e in r["examples"]] for r in report["refused"]}


__all__ = ["HEADER", "NOW", "VIEWS", "MemoryLog", "a_file", "a_table", "a_view", "imported", "refused"]
