"""Both implementations of the log under one fixture: whatever uses it is run on each."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingestion.transports.embedded import EmbeddedLog
from ingestion.transports.kafka import KafkaLog
from ingestion.transports.log import EventLog
from ingestion.transports.opening import open_log


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def log_address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty log that is this test's own."""
    if request.param == "embedded":
        return str(tmp_path / "log")
    return f"kafka://{request.getfixturevalue('kafka')}?prefix={uuid.uuid4().hex[:8]}."


@pytest.fixture
async def event_log(log_address: str) -> AsyncIterator[EventLog]:
    log = await open_log(log_address, "test")
    yield log
    await log.close()


async def open_with_lease(address: str, client_id: str, seconds: float) -> EventLog:
    """A log whose group members are taken for dead after ``seconds`` of silence."""
    if "://" in address:
        return await KafkaLog.open(address, client_id, session_seconds=seconds)
    return await EmbeddedLog.open(Path(address), client_id, lease_seconds=seconds)
