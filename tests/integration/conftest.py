from pathlib import Path

import pytest

from ingestion.transports.log import EventLog
from tests.integration.stream_shop import Shop


@pytest.fixture
def shop(event_log: EventLog, tmp_path: Path) -> Shop:
    """A new shop on each kind of log."""
    return Shop(event_log, tmp_path / "lake")
