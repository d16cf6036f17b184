"""The real servers that tests may ask for: ``kafka`` and ``redis_url``, and ``event_log`` on each kind of log."""

import os
import time
from pathlib import Path

import hypothesis
import prometheus_client  # noqa: F401  # before Feast, whose import makes it count for several processes
import pytest

from shopfloor.kernel_cache import use_own_folder

use_own_folder(Path(__file__).parents[1] / "training", os.environ, time.time())
hypothesis.settings.register_profile("shopfloor", deadline=None)  # no test fails because a machine is slow
hypothesis.settings.load_profile("shopfloor")

pytest_plugins = ["tests.servers.event_log", "tests.servers.kafka_server", "tests.servers.redis_server"]


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the shop whose shell this is, and none of those that importing Feast leaves for Prometheus."""
    for name in list(os.environ):
        if name.startswith(("SHOPFLOOR_", "PROMETHEUS_MULTIPROC")) and name != "SHOPFLOOR_TEST_DATA":
            monkeypatch.delenv(name)
