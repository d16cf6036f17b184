"""What the stream workers count, served for Prometheus where a port is set."""

import asyncio
import socket
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from feature_repo.errors import Misconfigured
from ingestion.stream.settings import StreamSettings
from shopfloor import wiring
from shopfloor.settings import Settings

Worker = Callable[[Settings, asyncio.Event], Awaitable[None]]


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def settings_in(folder: Path, port: int) -> Settings:
    return Settings(data=folder, stream=StreamSettings(features_metrics_port=port, lake_metrics_port=port))


async def asked(port: int, running: "asyncio.Task[None]") -> str:
    """What the worker serves, once it does."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics")
            except OSError:
                assert not running.done(), running.result()
                await asyncio.sleep(0.01)


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(
    ("worker", "metric"),
    [
        (wiring.run_features_worker, "shopfloor_folded_events_total"),
        (wiring.run_lake_worker, "shopfloor_stream_interruptions"),
    ],
)
async def test_a_worker_serves_its_counters_and_frees_the_port_at_its_end(
    tmp_path: Path, worker: Worker, metric: str
) -> None:
    port, stop = free_port(), asyncio.Event()
    running = asyncio.create_task(_run(worker, settings_in(tmp_path, port), stop))
    try:
        assert metric in await asked(port, running)
    finally:
        stop.set()
        await running
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


async def _run(worker: Worker, settings: Settings, stop: asyncio.Event) -> None:
    await worker(settings, stop)


async def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Misconfigured, match=rf"port {port}: .* --metrics-port"):
            await wiring.run_features_worker(settings_in(tmp_path, port), asyncio.Event())


async def test_without_a_port_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wiring, "start_http_server", None)
    stop = asyncio.Event()
    stop.set()
    await wiring.run_features_worker(settings_in(tmp_path, 0), stop)
