"""The demo from end to end: a shop's events become a recommendation that changes as the customer clicks."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import httpx

from feature_repo.errors import ShopfloorError, TryLater
from ingestion.transports.log import EventLog
from shopfloor import wiring
from shopfloor.demo import arrival
from shopfloor.demo.display import Display
from shopfloor.demo.sending import Sent, send_catalogue, send_history
from shopfloor.demo.shop import DemoShop
from shopfloor.demo.visitor import Answer, Visitor
from shopfloor.settings import Settings
from shopfloor.supervisor import Supervisor
from shopfloor.system import API, FEATURES_WORKER, LAKE_WORKER, answers, base_url

ARRIVAL_SECONDS: Final = 300.0
ANSWER_SECONDS: Final = 90.0
CLICKS: Final = 3


@dataclass(frozen=True, slots=True)
class Told:
    """The demo's result."""

    customer: str
    market: str
    before: Answer
    after: Answer
    clicked: tuple[str, ...]
    seconds_to_change: tuple[float, ...]
    comparison: Mapping[str, float]
    """The champion's metrics from its hold-out, the latest sessions, each with ``.low`` and ``.high``."""


@dataclass(slots=True)
class Course:
    """One demo on processes that are running or about to. ``clock`` and ``new_id`` are for the customer's events."""

    settings: Settings
    config: Path
    seed: int
    scale: float
    processes: Supervisor
    display: Display
    clock: Callable[[], datetime]
    new_id: Callable[[], str]

    async def run(self) -> Told:
        """Every step in its order. Raises DemoFailed, naming the step and where to read on."""
        now = self.clock()
        with self.display.step("make the shop"):
            shop = await asyncio.to_thread(DemoShop.create, self.seed, self.scale)
        async with wiring.event_log(self.settings, "demo") as log:
            sent = await self._send(shop, log, now)
            async with asyncio.TaskGroup() as arriving:
                # The lake is enough for training; the features may catch up meanwhile.
                arriving.create_task(self._features_arrive(sent))
                await self._lake_arrives(log, sent)
                await self._job("features from lake to online store, by Feast", "materialize")
                await self._job("train, tracked in MLflow", "train")
                await self._job("promote what passes the gate", "promote")
        async with httpx.AsyncClient(base_url=base_url(self.settings), timeout=10.0) as http:
            visitor = Visitor(http, shop, _a_known_customer(shop, sent), self.clock, self.new_id)
            with self.display.step("serve the promoted model", API):
                await self._model_answers(visitor)
            with self.display.step("three clicks", API, FEATURES_WORKER, total=CLICKS) as clicked:
                return await self._clicks(visitor, clicked)

    async def _send(self, shop: DemoShop, log: EventLog, now: datetime) -> Sent:
        with self.display.step("products and taxonomy into the log"):
            await send_catalogue(shop, log, now)
        with self.display.step(f"{shop.behaviour.days} days of events into the log") as done:
            return await send_history(shop.events(now), log, done)

    async def _lake_arrives(self, log: EventLog, sent: Sent) -> None:
        with self.display.step("events from log to lake", LAKE_WORKER, total=sent.events) as done:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                await arrival.in_the_lake(log, wiring.lake(self.settings), done)

    async def _features_arrive(self, sent: Sent) -> None:
        name = "clicks from log to online features (customers in a sample)"
        with self.display.step(name, FEATURES_WORKER, total=len(sent.sampled)) as done:
            async with asyncio.timeout(ARRIVAL_SECONDS), wiring.online_features(self.settings) as online:
                await arrival.in_the_features(online, sent, done)

    async def _job(self, name: str, verb: str) -> None:
        with self.display.step(name, verb):
            code = await self.processes.run_once(verb, (verb, "--config", str(self.config)))
            if code != 0:
                raise ShopfloorError(f"`shopfloor {verb}` ended with exit code {code}")

    async def _model_answers(self, visitor: Visitor) -> None:
        """Wait until the service has taken the champion over and knows the whole catalogue."""
        address = f"{base_url(self.settings)}/readyz"
        state = "nothing"
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not await answers(address):  # noqa: ASYNC110  # another process sets no event of ours
                    await asyncio.sleep(0.1)
                while True:
                    answer = await visitor.recommendations()
                    if answer.model_version is not None and not answer.degraded and all(i.name for i in answer.items):
                        return
                    state = (await visitor.http.get(address)).text
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise TryLater(f"no whole answer within {ANSWER_SECONDS:.0f} s; {address} says: {state}") from error

    async def _clicks(self, visitor: Visitor, done: Callable[[int], None]) -> Told:
        before = latest = await visitor.recommendations()
        items = await visitor.next_clicks(self.clock(), before, CLICKS)
        seconds: list[float] = []
        for item in items:
            await visitor.click(item)
            latest, waited = await visitor.changed(latest)
            seconds.append(waited)
            done(len(seconds))
        version = before.model_version
        registry = wiring.model_registry(self.settings)
        manifest = await asyncio.to_thread(registry.manifest, version) if version is not None else None
        return Told(
            customer=visitor.user_id,
            market=visitor.market,
            before=before,
            after=latest,
            clicked=tuple(visitor.shop.catalogue.names[item] for item in items),
            seconds_to_change=tuple(seconds),
            comparison={} if manifest is None else manifest.metrics,
        )


def _a_known_customer(shop: DemoShop, sent: Sent) -> int:
    """A customer with an account whom the shop knows well enough to recommend to, and who came lately."""
    accounts = {key[2:]: events for key, events in sent.sampled.items() if key.startswith("u:")}
    known = {user: events for user, events in accounts.items() if 12 <= len(events) <= 40} or accounts
    latest = max(known, key=lambda user: (known[user][-1].event_time, user))
    return next(c for c in range(len(shop.population)) if shop.population.customer_id(c) == latest)
