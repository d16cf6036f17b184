"""Sends refused events through the log again, once the contract or the payload was mended.

Each letter is held to today's contract first; what still does not pass stays a dead letter. An event that the lake
already has, by its ``event_id``, is not sent, so that a replay may be repeated at any time.

Products and taxonomy are not replayed: an old record would replace a newer one. Their producer sends them again.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import duckdb

from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event, to_log
from ingestion.contracts.rejection import Rejection
from ingestion.sinks.lake import Lake
from ingestion.transports.log import EVENTS, EventLog, Message

BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused event: its payload as it came or as somebody mended it."""

    letter_id: str
    payload: bytes
    refused_at: datetime
    reasons: tuple[dict[str, Any], ...] = ()


@dataclass(slots=True)
class ReplayReport:
    letters: int = 0
    replayed: int = 0
    already_there: int = 0
    still_refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """What today's contract still refuses, as ``field: reason``, and how often."""


def letters_in(lake: Lake) -> Iterator[Letter]:
    """The refused events of the lake, oldest first."""
    files = lake.files("dead_letters")
    if not files:
        return
    query = """
        SELECT letter_id, payload, payload_encoding, refused_at, reasons
        FROM read_parquet(?, union_by_name = true) WHERE topic = ? ORDER BY refused_at, letter_id"""
    with duckdb.connect() as connection:
        rows = connection.execute(query, [files, EVENTS])
        while batch := rows.fetchmany(BATCH):
            for letter_id, payload, encoding, refused_at, reasons in batch:
                raw = base64.b64decode(payload) if encoding.startswith("base64") else payload.encode()
                yield Letter(letter_id, raw, refused_at, tuple(reasons))


async def replay(letters: Iterable[Letter], log: EventLog, lake: Lake, dry_run: bool = False) -> ReplayReport:
    """Append the letters that pass; TryLater when the log cannot take them, and then repeating is safe."""
    report = ReplayReport()
    passing: dict[str, ReceivedEvent] = {}
    for letter in letters:
        report.letters += 1
        event = read_event(letter.payload, letter.refused_at)
        if isinstance(event, Rejection):
            report.still_refused += 1
            report.reasons.update(f"{e.field}: {e.reason}" for e in event.errors)
        elif event.event_id in passing:
            report.already_there += 1
        else:
            passing[event.event_id] = event
        if len(passing) >= BATCH:
            await _send(passing, log, lake, dry_run, report)
            passing = {}
    await _send(passing, log, lake, dry_run, report)
    return report


async def _send(
    events: dict[str, ReceivedEvent], log: EventLog, lake: Lake, dry_run: bool, report: ReplayReport
) -> None:
    known = _known_ids(lake, list(events))
    fresh = [event for event_id, event in events.items() if event_id not in known]
    if fresh and not dry_run:
        await log.append(EVENTS, [Message(event.customer_key.encode(), to_log(event)) for event in fresh])
    report.replayed += len(fresh)
    report.already_there += len(events) - len(fresh)


def _known_ids(lake: Lake, event_ids: list[str]) -> set[str]:
    files = lake.event_files()
    if not files or not event_ids:
        return set()
    query = "SELECT event_id FROM read_parquet(?, union_by_name = true) WHERE event_id IN (SELECT unnest(?))"
    with duckdb.connect() as connection:
        return {event_id for (event_id,) in connection.execute(query, [files, event_ids]).fetchall()}
