from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingestion.transports.embedded import EmbeddedLog
from tests.integration.stream_shop import Shop


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    log = await EmbeddedLog.open(tmp_path / "log", "test")
    yield Shop(log, tmp_path / "lake")
    await log.close()
