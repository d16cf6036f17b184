"""``shopfloor up``: supervised processes that start, stop, come back and lose nothing."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb
import msgspec
import psutil
import pytest

from ingestion.sinks.lake import Lake

pytestmark = pytest.mark.slow

PATIENCE = 150.0
"""Seconds: processes import for long on a busy machine, and no test may fail because of that."""

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` gives once it gives something true."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if found := look():
            return found
        time.sleep(0.05)
    pytest.fail(f"in {PATIENCE:.0f} s never: {what}")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """A ``shopfloor up`` of a test, without scheduled jobs. ``lines``: further ones of the settings file."""

    def __init__(self, folder: Path, port: int | None = None, lines: str = "") -> None:
        self.data = folder / "data"
        self.port = port or unused_port()
        self.config = folder / "shopfloor.toml"
        self.config.write_text(
            f'data = "data"\nport = {self.port}\n{lines}\n[stream]\nlake_batch_seconds = 0.2\n'
            "[schedule]\nmaterialize_minutes = 0\ntrain_minutes = 0\nmaintain_minutes = 0\n"
        )
        self.log = folder / "up.log"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("SHOPFLOOR_")}
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "shopfloor", "up", "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self.environ, stdout=log, stderr=log)
        return self.process

    def wait_until_ready(self) -> None:
        eventually(lambda: self.output().rpartition("ready:")[1] and self.get("/readyz"), f"ready; {self.log}")

    def output(self) -> str:
        return self.log.read_text()

    def get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as response:
                return bytes(response.read())
        except (urllib.error.URLError, OSError):
            return None

    def send(self, event_id: str) -> bool:
        """Whether the event was acknowledged."""
        event = {
            "event_id": event_id,
            "event_name": "view_item",
            "event_time": "2026-01-01T12:00:00Z",
            "user_id": f"c{hash(event_id) % 20}",
            "items": [{"item_id": "p1"}],
        }
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/events",
            data=msgspec.json.encode({"events": [event]}),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return bool(response.status == 202)
        except (urllib.error.URLError, OSError):
            return False

    def lake_ids(self) -> Counter[str]:
        files = Lake(str(self.data / "lake")).event_files()
        if not files:
            return Counter()
        rows = duckdb.execute("SELECT event_id FROM read_parquet(?, union_by_name=true)", [files]).fetchall()
        return Counter(row[0] for row in rows)

    def child(self, *words: str) -> psutil.Process | None:
        for process in self.children():
            try:
                if all(word in process.cmdline() for word in words):
                    return process
            except psutil.NoSuchProcess:
                continue
        return None

    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        remaining = self.children()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for process in remaining:
            if process.is_running():
                process.kill()


def running(folder: Path, lines: str = "") -> Iterator[Up]:
    up = Up(folder, lines=lines)
    try:
        up.wait_until_ready()
        yield up
    finally:
        up.end()


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that several tests share; they leave it running."""
    yield from running(tmp_path_factory.mktemp("steady"))


@pytest.fixture
def passing(tmp_path: Path) -> Iterator[Up]:
    """One that a test may end."""
    yield from running(tmp_path)


@pytest.fixture
def on_servers(tmp_path: Path, kafka: str, redis_url: str) -> Iterator[Up]:
    """The same on Kafka and Redis, by two lines."""
    prefix = uuid.uuid4().hex[:8]
    yield from running(tmp_path, f'events = "kafka://{kafka}?prefix={prefix}."\nonline = "{redis_url}"')


class TestARunningSystem:
    def test_prints_its_addresses_and_answers_there(self, steady: Up) -> None:
        assert f"http://127.0.0.1:{steady.port}/docs" in steady.output()
        assert steady.get("/healthz")
        assert {"serve", "features", "lake"} <= {word for child in steady.children() for word in child.cmdline()}

    def test_stays_within_its_memory(self, steady: Up) -> None:
        parts = [psutil.Process(steady.process.pid), *steady.children()]
        assert sum(part.memory_info().rss for part in parts) < 1.2e9

    def test_keeps_its_data_folder_for_itself(self, steady: Up) -> None:
        second = subprocess.run(
            [sys.executable, "-m", "shopfloor", "up", "--config", str(steady.config)],
            env={**steady.environ, "SHOPFLOOR_PORT": str(unused_port())},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert second.returncode == 73
        assert str(steady.data) in second.stderr
        assert str(steady.process.pid) in second.stderr

    @pytest.mark.parametrize("words", [("serve",), ("--group", "features"), ("--group", "lake")])
    def test_starts_a_killed_process_again(self, steady: Up, words: tuple[str, ...]) -> None:
        victim = eventually(lambda: steady.child(*words), f"a process {words}")
        victim.kill()

        def successor() -> psutil.Process | None:
            found = steady.child(*words)
            return found if found is not None and found.pid != victim.pid else None

        eventually(successor, f"another {words}")
        eventually(lambda: steady.get("/readyz"), "ready again")
        assert "is started again" in steady.output()
        assert steady.process.poll() is None


class TestStopping:
    def test_loses_nothing_acknowledged_through_kill_stop_and_restart(self, passing: Up) -> None:
        acknowledged = {f"e{n}" for n in range(60) if passing.send(f"e{n}")}
        assert len(acknowledged) == 60
        eventually(lambda: passing.child("--group", "lake"), "a lake worker").kill()
        acknowledged |= {f"f{n}" for n in range(60) if passing.send(f"f{n}")}

        assert passing.stop() == 0
        assert not passing.get("/healthz")

        passing.start()
        eventually(lambda: passing.send("after"), "an acknowledged event after the restart")
        acknowledged |= {"after"}
        eventually(lambda: set(passing.lake_ids()) >= acknowledged, "everything acknowledged in the lake")
        assert set(passing.lake_ids().values()) == {1}

    def test_takes_seconds_and_leaves_no_process(self, passing: Up) -> None:
        children = passing.children()
        assert len(children) >= 3
        assert passing.stop() == 0
        assert not [child for child in children if child.is_running()]
        assert "killed" not in passing.output()

    def test_a_killed_supervisor_takes_its_processes_with_it(self, passing: Up) -> None:
        children = passing.children()
        passing.process.kill()
        passing.process.wait()
        eventually(lambda: not [child for child in children if child.is_running()], "all processes ended")
        passing.start()
        eventually(lambda: passing.get("/readyz"), "a new system in the same folder")


def test_a_port_in_use_is_a_conflict_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        up = Up(tmp_path, port=taken.getsockname()[1])
        assert up.process.wait(PATIENCE) == 73
    assert str(up.port) in up.output()
    assert not (up.data / "log").exists()


@pytest.mark.kafka
@pytest.mark.redis
class TestOnKafkaAndRedis:
    def test_an_event_reaches_features_and_lake_and_a_restart_loses_nothing(self, on_servers: Up) -> None:
        assert on_servers.send("before")
        eventually(lambda: on_servers.lake_ids() == Counter(["before"]), "the event in the lake")
        customer = f"/v1/users/c{hash('before') % 20}/features"
        eventually(lambda: b"before" in (on_servers.get(customer) or b""), "the event in the features")
        assert not (on_servers.data / "log").exists()
        assert not (on_servers.data / "online.db").exists()
        assert on_servers.send("waiting")
        assert on_servers.stop() == 0
        on_servers.start()
        eventually(lambda: on_servers.send("after"), "an event taken after the restart")
        expected = Counter(["before", "waiting", "after"])
        eventually(lambda: on_servers.lake_ids() == expected, "each event once in the lake")
