"""One recommendation for a known customer over 30,000 products: server CPU and latency at a steady rate.

    python -m benchmarks.serving [--rate 300] [--seconds 8] [--runs 5] [--online redis://host:port] [--json OUT]

It makes its own shop in a temporary folder (products in the log, customers in online features, a model registered and
promoted), starts ``shopfloor serve`` as its own process, and asks from another process. Requests are sent on a fixed
schedule and timed from the moment they were due, so that a slow server cannot slow the questions down. Latencies are
those of all runs together. The CPU of a request is that of the median run, beside it that of the cheapest: whoever
shares the machine makes a core slower for seconds on end, and never faster.

In the row ``busy`` each answer is followed by the next question, which tells what an answer costs once the core runs.
At a rate the core sleeps between requests, and that of a virtual machine wakes cold: the same work then costs up to
twice the CPU.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httptools
import numpy as np
import psutil

from benchmarks.serving_shop import MARKETS, N_CUSTOMERS, N_PRODUCTS, SEED, prepare

IN_FLIGHT = 4
"""Questions under way at a time in the row ``busy``."""
COLUMNS = (
    "requests", "errors", "p50_ms", "p95_ms", "p99_ms", "max_ms", "cpu_ms_per_request", "cpu_ms_least", "rss_mb",
)  # fmt: skip


def main() -> None:
    arguments = parse_arguments()
    if arguments.generate:
        json.dump(asyncio.run(generate(arguments.generate, arguments.rate, arguments.seconds)), sys.stdout)
        return
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder:
        environ = os.environ | {"SHOPFLOOR_DATA": folder, "SHOPFLOOR_ONLINE": arguments.online}
        asyncio.run(prepare(environ, progress))
        result = measure(environ, arguments.rate, arguments.seconds, arguments.runs)
    print(f"{'':16}" + "".join(f"{name:>20}" for name in COLUMNS))
    for name, row in result["rows"].items():
        print(f"{name:16}" + "".join(f"{row[column]:>20}" for column in COLUMNS))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=300, help="requests a second")
    parser.add_argument("--seconds", type=float, default=8, help="of one run")
    parser.add_argument("--runs", type=int, default=5, help="of each rate")
    parser.add_argument("--online", default="", help="online features; default: SQLite in the temporary folder")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    parser.add_argument("--generate", metavar="HOST:PORT", help=argparse.SUPPRESS)
    return parser.parse_args()


# the measurement
def measure(environ: dict[str, str], rate: float, seconds: float, runs: int) -> dict[str, Any]:
    progress("service")
    port = free_port()
    command = [str(Path(sys.executable).with_name("shopfloor")), "serve", "--port", str(port)]
    server = subprocess.Popen(command, env=environ)
    try:
        wait_until_ready(server, port)
        process = psutil.Process(server.pid)
        ask(port, rate, 3)
        rows = {}
        for name, each in (("busy", 0.0), (f"{rate:g}/s", rate), (f"{rate / 3:g}/s", rate / 3)):
            progress(f"{name}, {runs} times {seconds:g} s")
            rows[name] = row_of([one_run(process, port, each, seconds) for _ in range(runs)])
            rows[name]["rss_mb"] = round(process.memory_info().rss / 1e6)
        return {"products": N_PRODUCTS, "customers": N_CUSTOMERS, "online": environ["SHOPFLOOR_ONLINE"], "rows": rows}
    finally:
        server.terminate()
        server.wait(30)


def one_run(process: psutil.Process, port: int, rate: float, seconds: float) -> dict[str, Any]:
    """What ``generate`` found, and the server's CPU of a request in milliseconds."""
    before = process.cpu_times()
    run = ask(port, rate, seconds)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return run | {"cpu_ms": 1000 * used / run["requests"]}


def row_of(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    cpu = [run["cpu_ms"] for run in runs]
    return {
        "requests": sum(run["requests"] for run in runs),
        "errors": sum(run["errors"] for run in runs),
        **quantiles([latency for run in runs for latency in run["latencies"]]),
        "cpu_ms_per_request": round(float(np.median(cpu)), 3),
        "cpu_ms_least": round(min(cpu), 3),
    }


def ask(port: int, rate: float, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving", "--generate", f"127.0.0.1:{port}", "--rate", str(rate)]
    done = subprocess.run([*command, "--seconds", str(seconds)], check=True, stdout=subprocess.PIPE, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def wait_until_ready(server: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=60) as answer:
                state = json.load(answer)
            if state["status"] == "ready" and "answers" in state["parts"]["model"]["detail"]:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise SystemExit("the service did not become ready; its own lines above say why")


def free_port() -> int:
    import socket

    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port: int = any_port.getsockname()[1]
        return port


# the load generator, in a process of its own
class Connection(asyncio.Protocol):
    """One keep-alive connection; ``ask`` sends a request and returns status and body."""

    def __init__(self) -> None:
        self.closed = False
        self._body = bytearray()
        self._answered: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(ConnectionResetError("the service hung up before it answered"))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        assert self._answered is not None
        if not self._answered.done():  # whoever asked may have given up
            self._answered.set_result((self._parser.get_status_code(), bytes(self._body)))
        self._body.clear()
        self._parser = httptools.HttpResponseParser(self)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await asyncio.wait_for(self._answered, 10)


async def generate(address: str, rate: float, seconds: float) -> dict[str, Any]:
    """Ask at a rate, or with a rate of 0 as fast as answers come."""
    host, _, port = address.partition(":")
    loop = asyncio.get_running_loop()
    free = [(await loop.create_connection(Connection, host, int(port)))[1] for _ in range(32)]
    random = np.random.default_rng(SEED)
    latencies: list[float] = []
    errors: list[str] = []
    start = loop.time() + 0.1

    async def one(moment: float, customer: int) -> None:
        while free and free[-1].closed:
            free.pop()
        connection = free.pop() if free else (await loop.create_connection(Connection, host, int(port)))[1]
        try:
            status, body = await connection.ask(question(address, customer))
        except Exception as error:
            errors.append(repr(error))
            return
        free.append(connection)
        latencies.append(loop.time() - moment)
        answer = json.loads(body) if len(latencies) % 50 == 0 else None
        if status != 200 or (answer is not None and (answer["degraded"] or len(answer["items"]) != 20)):
            errors.append(body.decode()[:300])

    async def on_schedule() -> None:
        due = start + np.cumsum(random.exponential(1 / rate, int(rate * seconds)))
        tasks = []
        for moment, customer in zip(due.tolist(), random.integers(0, N_CUSTOMERS, len(due)).tolist(), strict=True):
            await asyncio.sleep(moment - loop.time())
            tasks.append(asyncio.create_task(one(moment, customer)))
        await asyncio.gather(*tasks)

    async def without_pause() -> None:
        while loop.time() < start + seconds:
            await one(loop.time(), int(random.integers(0, N_CUSTOMERS)))

    if rate:
        await on_schedule()
    else:
        await asyncio.gather(*(without_pause() for _ in range(IN_FLIGHT)))
    for error in errors[:3]:
        print(error, file=sys.stderr)
    return {"requests": len(latencies) + len(errors), "errors": len(errors), "latencies": latencies}


def question(address: str, customer: int) -> bytes:
    body = json.dumps(
        {"placement": "home", "user_id": f"c-{customer}", "market": MARKETS[customer % 3], "limit": 20}
    ).encode()
    head = f"POST /v1/recommendations HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def quantiles(latencies: Sequence[float]) -> dict[str, float]:
    values = np.percentile(np.asarray(latencies) * 1000, [50, 95, 99, 100]).round(2).tolist()
    return dict(zip(("p50_ms", "p95_ms", "p99_ms", "max_ms"), values, strict=True))


def progress(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
