"""Contract objects for tests: valid as they are, each field can be overridden."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import parse_event
from ingestion.transports.log import EVENTS, Record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event_fields(**overrides: Any) -> dict[str, Any]:
    """A valid view_item as a client sends it; a field set to None is left out."""
    fields: dict[str, Any] = {
        "event_id": "e1",
        "event_name": "view_item",
        "event_time": NOW.isoformat(),
        "user_id": "anna",
        "session_id": "visit-1",
        "market": "DE",
        "items": [{"item_id": "tent-1"}],
    }
    fields.update(overrides)
    return {name: value for name, value in fields.items() if value is not None}


def event_json(**overrides: Any) -> bytes:
    return json.dumps(event_fields(**overrides)).encode()


def event(seconds: float = 0, **overrides: Any) -> ReceivedEvent:
    """A received event, ``seconds`` after NOW."""
    overrides.setdefault("event_time", (NOW + timedelta(seconds=seconds)).isoformat())
    parsed = parse_event(event_json(**overrides), NOW + timedelta(seconds=max(0.0, seconds)))
    assert isinstance(parsed, ReceivedEvent), parsed
    return parsed


def record(
    offset: int = 0, partition: int = 0, topic: str = EVENTS, value: bytes | None = None, **overrides: Any
) -> Record:
    """A log record, by default of a valid event."""
    return Record(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_ms=int(NOW.timestamp() * 1000),
        key=b"u:anna",
        value=event_json(**overrides) if value is None else value,
    )
