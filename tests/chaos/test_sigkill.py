"""Workers are killed with SIGKILL at random moments while 200,000 events flow; nothing is lost and nothing doubled.

What is proven, on both logs: every event that the log acknowledged is in the lake exactly once, although one in
fifty is sent twice and some are invalid; each invalid one is a dead letter exactly once; and the online features of
every customer equal those that are computed anew from the lake.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from feature_repo.batch import recompute_activity
from feature_repo.opening import open_online_features
from ingestion.contracts.parse import to_log
from ingestion.sinks.lake import Lake
from ingestion.transports.log import EVENTS, EventLog, Message
from tests.builders import NOW, event, event_json

EVENTS_SENT = 200_000
CUSTOMERS = 1_500
BATCH = 500
SEED = 20260301


class Worker:
    """``shopfloor work`` as a process of its own that is killed and started again."""

    def __init__(self, group: str, environment: dict[str, str], folder: Path) -> None:
        self._command = [sys.executable, "-m", "shopfloor", "work", "--group", group]
        self._environment = environment
        self._folder = folder
        self._log = folder / f"{group}.log"
        self.kills = 0
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._folder, stdout=output, stderr=output
            )

    def kill(self) -> None:
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self.kills += 1
        self._start()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        self._process.terminate()
        assert self._process.wait(60) == 0, self._log.read_text()[-3000:]


def traffic(dice: random.Random) -> Iterator[tuple[Message, str | None]]:
    """Messages with the event_id each should leave in the lake; None for those the contract refuses."""
    template = to_log(event(event_id="EVENT-ID", user_id="USER-ID", items=[{"item_id": "ITEM-ID"}])).decode()
    when = template.split('"event_time":"')[1].split('"')[0]
    for number in range(EVENTS_SENT):
        customer = f"c{dice.randrange(CUSTOMERS)}"
        if dice.random() < 0.002:
            yield Message(f"u:{customer}".encode(), event_json(event_id=f"bad-{number}", event_name="bought")), None
            continue
        at = (NOW + timedelta(milliseconds=number * 10 + dice.randrange(5000))).isoformat()
        value = (
            template.replace("EVENT-ID", f"e{number}").replace("USER-ID", customer).replace(when, at)
            .replace("ITEM-ID", f"item-{dice.randrange(3000)}")
        ).replace(f'"received_at":"{at}"', f'"received_at":"{when}"')  # fmt: skip
        message = Message(f"u:{customer}".encode(), value.encode())
        yield message, f"e{number}"
        if dice.random() < 0.02:
            yield message, f"e{number}"


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_every_acknowledged_event_is_in_the_lake_once_and_features_equal_the_lake(
    event_log: EventLog, log_address: str, tmp_path: Path, cleanup: ExitStack
) -> None:
    dice = random.Random(SEED)
    environment = os.environ | {
        "SHOPFLOOR_DATA": str(tmp_path / "data"),
        "SHOPFLOOR_EVENTS": log_address,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    workers = [
        cleanup.enter_context(closing(Worker(group, environment, tmp_path))) for group in ("lake", "lake", "features")
    ]
    acknowledged: set[str] = set()
    refused = 0
    batch: list[tuple[Message, str | None]] = []
    next_kill = time.monotonic() + 3

    async def send() -> None:
        nonlocal refused
        await event_log.append(EVENTS, [message for message, _ in batch])
        acknowledged.update(event_id for _, event_id in batch if event_id is not None)
        refused += sum(event_id is None for _, event_id in batch)
        batch.clear()

    for sent, message in enumerate(traffic(dice)):
        batch.append(message)
        if len(batch) == BATCH:
            await send()
            # The stream outlasts several lives of every worker, whatever the machine's speed.
            while sum(worker.kills for worker in workers) < 12 * sent / EVENTS_SENT:
                await asyncio.sleep(0.05)
                if time.monotonic() >= next_kill:
                    dice.choice(workers).kill()
                    next_kill = time.monotonic() + dice.uniform(0.3, 5)
    await send()

    data = tmp_path / "data"
    lake = Lake(str(data / "lake"))
    await _until(lambda: _count(lake.event_files()) >= len(acknowledged))
    await _until(lambda: _count(lake.files("dead_letters")) >= refused)
    online = open_online_features(str(data / "online.db"), data)
    expected = recompute_activity(lake.event_files(), tmp_path / "scratch", datetime.now(UTC) + timedelta(days=3650))
    await _until(lambda: online.read_activity(list(expected)) == expected)
    for worker in workers:
        worker.stop()

    stored = duckdb.execute("SELECT event_id FROM read_parquet(?)", [lake.event_files()]).fetchall()
    assert len(stored) == len(acknowledged)
    assert {event_id for (event_id,) in stored} == acknowledged
    letters = duckdb.execute(
        "SELECT count(*), count(DISTINCT letter_id) FROM read_parquet(?)", [lake.files("dead_letters")]
    ).fetchall()
    assert letters == [(refused, refused)]
    assert len(expected) == CUSTOMERS
    assert online.read_activity(list(expected)) == expected
    assert all(worker.kills for worker in workers)
    await online.close()


def _count(files: list[str]) -> int:
    return int(duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall()[0][0]) if files else 0


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not done():
            await asyncio.sleep(0.5)
