"""How soon a click changes the answer: from ``POST /v1/events`` accepted to another ``POST /v1/recommendations``.

    python -m benchmarks.freshness [--rate 200] [--seconds 15] [--json OUT]

Once on the embedded default and once on Kafka and Redis, through the real processes: ``shopfloor serve`` and ``work``
for both groups, with a model trained on a demo shop. Events come one in a request at a steady rate, each when it is
due whether or not those before it are answered. One in seven is a probe: a known customer asks for the home page
twice, clicks, and asks again until other products or another order come. The time counts from the acceptance of the
click and includes the answer that shows it. A probe without another answer within GIVEN_UP seconds is a failure. How
many pairs of answers differ with no click between them is shown too: it says how far the measurement can be trusted.
"""

import argparse
import asyncio
import gc
import itertools
import json
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.figures import Figure, report, skipped
from benchmarks.machinery import Absent, clean_environ, cpu_seconds, kafka, progress, redis, run, shopfloor
from benchmarks.serving import Connection, free_port
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event, to_log
from shopfloor import wiring
from shopfloor.demo.arrival import in_the_features, in_the_lake
from shopfloor.demo.mishaps import Delivery
from shopfloor.demo.sending import Sent, send_catalogue, send_history
from shopfloor.demo.shop import DemoShop
from shopfloor.settings import LoadedSettings, Settings

SEED = 7
SCALE = 0.3
PROBE_EVERY = 7
ASKED = 30
"""A click moves something among this many."""
TARGET_MS = 150.0
GIVEN_UP = 5.0
ASK_AGAIN_AFTER = 0.008
READY_SECONDS = 120
ARRIVAL_SECONDS = 180


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200, help="events a second")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.rate, arguments.seconds))
    return report(f"Click to changed answer at {arguments.rate:g} events/s", figures, arguments.json)


async def measure(rate: float, seconds: float) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder, ExitStack() as servers:
        place = Path(folder)
        progress("demo shop")
        demo, now = DemoShop.create(SEED, SCALE), datetime.now(UTC)
        history = list(demo.events(now))
        models = f"sqlite:///{place / 'embedded' / 'mlflow.db'}"
        embedded = System("embedded", clean_environ(data=str(place / "embedded"), port=str(free_port())))
        figures = await embedded.measure(demo, history, now, rate, seconds, train=True)
        try:
            log, store = servers.enter_context(kafka(place)), servers.enter_context(redis(place))
        except Absent as reason:
            return [*figures, skipped("click to changed answer, Kafka and Redis", str(reason))]
        environ = clean_environ(
            data=str(place / "served"), events=log, online=store, models=models, port=str(free_port())
        )
        return figures + await System("Kafka and Redis", environ).measure(demo, history, now, rate, seconds)


@dataclass(frozen=True, slots=True)
class System:
    """The processes of one set-up."""

    name: str
    environ: Mapping[str, str]

    @property
    def settings(self) -> Settings:
        return LoadedSettings.read(None, self.environ).settings

    async def measure(
        self, demo: DemoShop, history: list[Delivery], now: datetime, rate: float, seconds: float, train: bool = False
    ) -> list[Figure]:
        logs = self.settings.data / "logs"
        with ExitStack() as running:
            workers = [
                running.enter_context(shopfloor("work", "--group", group, environ=self.environ, logs=logs))
                for group in ("features", "lake")
            ]
            await self._fill(demo, history, now)
            if train:
                progress(f"{self.name}: train")
                await asyncio.to_thread(run, "train", environ=self.environ)
            server = running.enter_context(shopfloor("serve", environ=self.environ, logs=logs))
            await self._ready(server)
            progress(f"{self.name}: {rate:g} events/s for {seconds:g} s")
            clicks = list(_clicks(history, int(rate * seconds)))
            await Visit(self.settings.port, rate).make(clicks[: int(2 * rate)])  # warm-up
            before = [cpu_seconds(process) for process in (server, *workers)]
            visit = Visit(self.settings.port, rate)
            await visit.make(clicks[int(2 * rate) :])
            used = [cpu_seconds(p) - b for p, b in zip((server, *workers), before, strict=True)]
        return list(visit.figures(self.name, dict(zip(("serve", "features", "lake"), used, strict=True))))

    async def _fill(self, demo: DemoShop, history: list[Delivery], now: datetime) -> None:
        progress(f"{self.name}: {len(history):,} events into log, lake and features")
        async with wiring.event_log(self.settings, "bench") as log, wiring.online_features(self.settings) as online:
            await send_catalogue(demo, log, now)
            sent: Sent = await send_history(history, log, lambda _: None)
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await in_the_lake(log, wiring.lake(self.settings), lambda _: None)
                await in_the_features(online, sent, lambda _: None)

    async def _ready(self, server: psutil.Process) -> None:
        """Until an answer comes from the model."""
        question = _question("nobody", None)
        async with asyncio.timeout(READY_SECONDS):
            while server.is_running() and server.status() != psutil.STATUS_ZOMBIE:
                try:
                    connection = await _connect(self.settings.port)
                    status, body = await connection.ask(question)
                    if status == 200 and json.loads(body)["model_version"] and not json.loads(body)["degraded"]:
                        return
                except OSError:
                    pass
                await asyncio.sleep(0.2)
        raise RuntimeError(f"the service of {self.name} ended")


@dataclass(frozen=True, slots=True)
class Click:
    user_id: str | None
    market: str | None
    body: bytes
    probes: bool


def _clicks(history: list[Delivery], count: int) -> Iterator[Click]:
    """Views as the shop's customers make them, with new ids, of now; probes by customers who make no other click."""
    read = [read_event(told.value, datetime.now(UTC)) for told in history]
    views = [e for e in read if isinstance(e, ReceivedEvent) and e.event_name == "view_item" and e.market]
    of_market: dict[str | None, list[ReceivedEvent]] = {}
    for view in views:
        of_market.setdefault(view.market, []).append(view)
    random = np.random.default_rng(SEED)
    known = {view.user_id: view for view in views if view.user_id}
    probing = itertools.cycle([known[user] for user in random.permutation(sorted(known))[: len(known) * 2 // 3]])
    watched = {view.user_id for view in itertools.islice(probing, len(known) * 2 // 3)}
    others = [view for view in views if view.user_id not in watched]
    for number in range(count):
        probes = number % PROBE_EVERY == 0
        who = next(probing) if probes else others[random.integers(len(others))]
        seen = of_market[who.market][random.integers(len(of_market[who.market]))]
        view = who.model_copy(
            update={"event_id": uuid.uuid4().hex, "items": seen.items, "currency": seen.currency, "value": seen.value}
        )
        yield Click(who.user_id, who.market, to_log(view), probes)


@dataclass(slots=True)
class Visit:
    """All clicks at a steady rate, and what became of them."""

    port: int
    rate: float
    free: list[Connection] = field(default_factory=list)
    accepted_ms: list[float] = field(default_factory=list)
    changed_ms: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    probes: int = 0
    unsteady: int = 0
    seconds: float = 0.0

    async def make(self, clicks: list[Click]) -> None:
        loop = asyncio.get_running_loop()
        gc.collect()
        gc.disable()  # a pause of ours would look like one of theirs
        due = loop.time() + 0.2 + np.cumsum(np.random.default_rng(SEED).exponential(1 / self.rate, len(clicks)))
        tasks = []
        for moment, click in zip(due.tolist(), clicks, strict=True):
            await asyncio.sleep(moment - loop.time())
            tasks.append(asyncio.create_task(self._probe(click) if click.probes else self._send(click)))
        self.seconds = loop.time() - float(due[0])
        await asyncio.gather(*tasks)
        gc.enable()

    def figures(self, name: str, cpu: Mapping[str, float]) -> Iterator[Figure]:
        what = f"click to changed answer, {name}"
        p50, p99 = np.percentile(self.changed_ms, [50, 99]).tolist() if self.changed_ms else (None, None)
        events = len(self.accepted_ms)
        note = f"{self.probes} probes, {self.unsteady} pairs of answers differed with no click between"
        yield Figure(f"{what}, p99", p99, "ms", TARGET_MS, note=note)
        yield Figure(f"{what}, p50", p50, "ms")
        yield Figure(f"{what}, failures", len(self.failures), target=0, note="; ".join(self.failures[:2])[:300])
        each = ", ".join(f"{process} {1000 * seconds / events:.2f}" for process, seconds in cpu.items())
        yield Figure(f"events accepted, {name}", events / self.seconds, "events/s", note=f"CPU ms an event: {each}")
        yield Figure(f"event to 202, {name}, p99", float(np.percentile(self.accepted_ms, 99)), "ms")

    async def _send(self, click: Click) -> bool:
        began = asyncio.get_running_loop().time()
        event = json.loads(click.body)
        del event["received_at"]
        event.pop("quality_flags", None)
        event["event_time"] = datetime.now(UTC).isoformat()
        answer = await self._ask(_post("/v1/events", json.dumps({"events": [event]}).encode()), 202)
        if answer is None:
            return False
        if answer["accepted"] != 1:
            self.failures.append(f"event not accepted: {answer}")
            return False
        self.accepted_ms.append(1000 * (asyncio.get_running_loop().time() - began))
        return True

    async def _probe(self, click: Click) -> None:
        loop = asyncio.get_running_loop()
        self.probes += 1
        first = await self._items(click)
        await asyncio.sleep(2 * ASK_AGAIN_AFTER)
        before = await self._items(click)
        self.unsteady += first != before
        if before is None or not await self._send(click):
            return
        accepted = loop.time()
        while loop.time() - accepted < GIVEN_UP:
            if await self._items(click) not in (before, None):
                self.changed_ms.append(1000 * (loop.time() - accepted))
                return
            await asyncio.sleep(ASK_AGAIN_AFTER)
        self.failures.append(f"{click.user_id}: the same answer {GIVEN_UP:g} s after the click")

    async def _items(self, click: Click) -> list[str] | None:
        answer = await self._ask(_question(click.user_id, click.market), 200)
        if answer is None:
            return None
        if answer["degraded"]:
            self.failures.append(f"degraded: {answer['degraded']}")
        return [item["item_id"] for item in answer["items"]]

    async def _ask(self, request: bytes, expected: int) -> dict[str, Any] | None:
        connection = self.free.pop() if self.free else await _connect(self.port)
        try:
            status, body = await connection.ask(request)
        except (OSError, TimeoutError) as error:
            self.failures.append(repr(error))
            return None
        self.free.append(connection)
        if status != expected:
            self.failures.append(f"{status}: {body.decode()[:200]}")
            return None
        answer: dict[str, Any] = json.loads(body)
        return answer


async def _connect(port: int) -> Connection:
    return (await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port))[1]


def _question(user_id: str | None, market: str | None) -> bytes:
    asked = {"placement": "home", "user_id": user_id, "market": market, "limit": ASKED}
    return _post("/v1/recommendations", json.dumps({n: v for n, v in asked.items() if v is not None}).encode())


def _post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


if __name__ == "__main__":
    sys.exit(main())
