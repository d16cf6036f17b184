"""The real processes that are measured: Kafka and Redis as the tests start them, and ``shopfloor <verb>``."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.servers.child import stop
from tests.servers.kafka_server import start_cluster
from tests.servers.redis_server import start_redis


class Absent(Exception):
    """A server that cannot be had on this machine; the message says what to install."""


@contextmanager
def kafka(folder: Path) -> Iterator[str]:
    """``kafka://host:port`` of an empty broker: KAFKA_BOOTSTRAP, else a child process."""
    if given := os.environ.get("KAFKA_BOOTSTRAP"):
        yield f"kafka://{given}?prefix=bench-{os.getpid()}-{time.time_ns():x}."
        return
    with _absence():
        cluster = start_cluster(folder / "kafka")
    try:
        yield f"kafka://{cluster.bootstrap}"
    finally:
        cluster.stop()


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """``redis://host:port`` of an empty Redis, a child process."""
    (folder / "redis").mkdir(parents=True)
    with _absence():
        process, url = start_redis(folder / "redis")
    try:
        yield url
    finally:
        stop(process)


@contextmanager
def shopfloor(*arguments: str, environ: Mapping[str, str], logs: Path) -> Iterator[psutil.Process]:
    """``shopfloor <verb> …`` as the supervisor starts it, stopped at the end; RuntimeError when it ends by itself."""
    logs.mkdir(parents=True, exist_ok=True)
    output = logs / f"{'-'.join(arguments).replace('/', '_')}.log"
    with output.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "shopfloor.child", *arguments],
            stdin=subprocess.PIPE, stdout=file, stderr=file, env=dict(environ), start_new_session=True,
        )  # fmt: skip
    try:
        yield psutil.Process(process.pid)
        if process.poll() is not None:
            raise RuntimeError(
                f"shopfloor {' '.join(arguments)} ended ({process.returncode}):\n{output.read_text()[-3000:]}"
            )
    finally:
        stop(process)
        if process.stdin:
            process.stdin.close()


def run(*arguments: str, environ: Mapping[str, str]) -> None:
    """``shopfloor <verb> …`` to its end; RuntimeError with its output when it fails."""
    command = [str(Path(sys.executable).with_name("shopfloor")), *arguments]
    done = subprocess.run(command, env=dict(environ), check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"shopfloor {' '.join(arguments)} ended ({done.returncode}):\n{done.stderr[-3000:]}")


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of all its threads so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def clean_environ(**settings: str) -> dict[str, str]:
    """Ours without any shop's settings, and with these: ``data="…"`` becomes SHOPFLOOR_DATA."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SHOPFLOOR_")}
    return others | {f"SHOPFLOOR_{name.upper()}": value for name, value in settings.items()}


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def _absence() -> Iterator[None]:
    try:
        yield
    except pytest.skip.Exception as reason:
        raise Absent(str(reason)) from None
