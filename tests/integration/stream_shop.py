"""A shop's log and lake in a folder, with lake workers that tests start and stop."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from prometheus_client import CollectorRegistry

from ingestion.contracts.parse import parse_event, to_log
from ingestion.sinks.lake import Lake
from ingestion.stream.counters import StreamCounters
from ingestion.stream.lake_group import LakeGroup
from ingestion.stream.settings import StreamSettings
from ingestion.transports.log import EventLog, Message
from tests.builders import event_json


def messages(*ids: str, customer: str = "anna", hours_ago: float = 0.0) -> list[Message]:
    """Events that the service received then. The time of a real broker is the real one, so theirs is as well."""
    received_at = datetime.now(UTC) - timedelta(hours=hours_ago)
    events = (parse_event(event_json(event_id=one, user_id=customer), received_at) for one in ids)
    return [Message(f"u:{customer}".encode(), to_log(event)) for event in events]


class Shop:
    """A log and a lake in a folder, and lake workers that are started and stopped."""

    def __init__(self, log: EventLog, folder: Path) -> None:
        self.log = log
        self.folder = folder
        self.counters = StreamCounters(CollectorRegistry())

    def worker(self, lake: Lake | None = None) -> LakeGroup:
        settings = StreamSettings(lake_batch_seconds=0.05)
        return LakeGroup(self.log, lake or Lake(str(self.folder)), settings, self.counters, time.time)

    async def work_until(self, done: Callable[[], bool], lake: Lake | None = None) -> None:
        """Run one worker until ``done``, then stop it as SIGTERM would."""
        stop = asyncio.Event()
        worker = asyncio.create_task(self.worker(lake).run(stop))
        try:
            async with asyncio.timeout(30):
                while not done():
                    assert not worker.done(), worker.exception()
                    await asyncio.sleep(0.02)
        finally:
            stop.set()
            await worker

    def rows(self, table: str, columns: str) -> list[tuple[Any, ...]]:
        files = Lake(str(self.folder)).files(table)
        if not files:
            return []
        return duckdb.execute(f"SELECT {columns} FROM read_parquet(?) ORDER BY ALL", [files]).fetchall()

    def has(self, table: str, columns: str, *rows: tuple[Any, ...]) -> Callable[[], bool]:
        return lambda: self.rows(table, columns) == list(rows)
