"""The service as a process on the embedded log, SQLite features and the lake: start, answer, stop; and its document."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.servers.child import free_ports, wait_until

SHOPFLOOR = [sys.executable, "-c", "import sys; from shopfloor.cli import main; sys.argv[0] = 'shopfloor'; main()"]


class Server:
    """``shopfloor serve`` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.output = folder / "serve.txt"
        self.environ = os.environ | {"SHOPFLOOR_DATA": str(folder / "data"), "SHOPFLOOR_PORT": str(self.port)}
        with self.output.open("wb") as output:
            command = [*SHOPFLOOR, "serve"]
            self.process = subprocess.Popen(command, env=self.environ, stdout=output, stderr=output, cwd=folder)
        wait_until(self._is_ready, self.process, self.output, 90)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        request = urllib.request.Request(
            self.url + path, method=method, data=json.dumps(body).encode() if body else None
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _is_ready(self) -> bool:
        try:
            return bool(self.ask("GET", "/readyz")[1]["status"] == "ready")
        except OSError:
            return False


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


def test_events_products_and_answers_over_a_real_connection_until_sigterm(server: Server) -> None:
    products = [{"item_id": f"p{n}", "name": f"Product {n}"} for n in range(5)]
    assert server.ask("PUT", "/v1/products", {"products": products}) == (202, {"accepted": 5, "rejected": []})
    event = {"event_id": "e1", "event_name": "view_item", "event_time": datetime.now(UTC).isoformat()}
    event |= {"user_id": "anna", "items": [{"item_id": "p1"}]}
    assert server.ask("POST", "/v1/events", {"events": [event]})[1]["accepted"] == 1
    question = {"placement": "home", "user_id": "anna", "limit": 5}
    deadline = time.monotonic() + 20
    while len((answer := server.ask("POST", "/v1/recommendations", question)[1])["items"]) < 5:
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)
    # What visitors look at stands before what is merely new.
    assert answer["items"][0]["item_id"] == "p1"
    assert answer["degraded"] == ["no-model", "popular", "newest"]
    hidden = {"item_id": "p1", "name": "Product 1", "hidden": True}
    assert server.ask("PUT", "/v1/products", {"products": [hidden]})[0] == 202
    deadline = time.monotonic() + 20
    while "p1" in [item["item_id"] for item in server.ask("POST", "/v1/recommendations", question)[1]["items"]]:
        assert time.monotonic() < deadline, "a hidden product is still shown"
        time.sleep(0.02)
    assert server.ask("GET", "/nothing")[1]["status"] == 404
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.output.read_text()


def test_a_second_service_on_the_port_says_who_has_it(server: Server) -> None:
    done = subprocess.run(
        [*SHOPFLOOR, "serve"], env=server.environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 73
    assert f"port {server.port}" in done.stderr
    assert f"process {server.process.pid}" in done.stderr


def test_a_host_that_others_reach_needs_a_key(tmp_path: Path) -> None:
    environ = os.environ | {"SHOPFLOOR_DATA": str(tmp_path), "SHOPFLOOR_HOST": "0.0.0.0", "SHOPFLOOR_KEYS": ""}
    done = subprocess.run([*SHOPFLOOR, "serve"], env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 78
    assert "SHOPFLOOR_KEYS" in done.stderr


def test_a_client_that_promises_little_and_sends_much_is_cut_off(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        answer = b""
        try:
            for _ in range(200):
                connection.sendall(chunk)
        except OSError:
            pass  # the service hung up, as it may once it has answered
        try:
            answer = connection.recv(4096)
        except OSError:
            answer = b"HTTP/1.1 413"
    assert answer.startswith(b"HTTP/1.1 413")
    assert server.ask("GET", "/healthz")[0] == 200
