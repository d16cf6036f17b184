"""A real Redis for tests: REDIS_URL, else redis-server as a child process on a free loopback port, nothing on disk."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.absence import missing
from tests.servers.child import free_ports, stop, wait_until


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``redis://host:port`` of the server that the whole run shares; give each test its own database or key prefix."""
    if given := os.environ.get("REDIS_URL"):
        yield given
        return
    process, url = start_redis(tmp_path_factory.mktemp("redis"))
    yield url
    stop(process)


def start_redis(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """A running server, empty, and its address; skips when it cannot be had."""
    program = shutil.which("redis-server")
    if program is None:
        missing("redis-server", "install Redis (`apt install redis-server`, `brew install redis`) or set REDIS_URL")
    (port,) = free_ports(1)
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: _answers(port), process, folder / "output.txt", seconds=30)
    except BaseException:
        stop(process)
        raise
    return process, f"redis://127.0.0.1:{port}"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
