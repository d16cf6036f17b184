"""A small shop for the service's tests: eight products whose right answers are obvious, and parts that can fail.

Visitors look at tea things together and at tents together; ``popular`` is tea-1.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd

from feature_repo.activity import Activity, Interaction, Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from feature_repo.errors import ShopfloorError, TryLater
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.transports.log import Consumer, Message, Record
from serving.app import Parts, create_app
from serving.service import Service
from serving.settings import ServingSettings
from training.blend import BLENDS, VISIT, blends_of
from training.bundle import DataWindow, write_bundle
from training.candidates.candidate import CandidateModel
from training.candidates.covisitation import BoughtTogether, Covisitation
from training.candidates.popular import Popular
from training.candidates.session_knn import SessionKnn
from training.interactions import Interactions, from_frame
from training.models import MODELS
from training.probability import UNCALIBRATED
from training.ranker import Ranker, RankerSettings
from training.ranking_features import Signals, feature_names
from training.trees import Trees

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TEA = [f"tea-{n}" for n in range(1, 5)]
TENTS = [f"tent-{n}" for n in range(1, 5)]


class MemoryLog:
    """One partition a topic. ``failing`` makes every call raise, as a broker that is away does."""

    def __init__(self) -> None:
        self.records: dict[str, list[Record]] = {}
        self.failing: ShopfloorError | None = None
        self.appends = 0

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        self._check()
        self.appends += 1
        records = self.records.setdefault(topic, [])
        for message in messages:
            records.append(Record(topic, 0, len(records), int(NOW.timestamp() * 1000), message.key, message.value))

    async def tail(self, topic: str, start: Mapping[int, int]) -> "MemoryTail":
        self._check()
        return MemoryTail(self, topic, start.get(0, 0))

    async def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        raise NotImplementedError("the service joins no group")

    async def end_offsets(self, topic: str) -> dict[int, int]:
        return {0: len(self.records.get(topic, []))}

    async def identity(self) -> str:
        return "memory"

    async def check(self) -> str:
        self._check()
        return "a log in memory"

    async def close(self) -> None: ...

    def values(self, topic: str) -> list[bytes]:
        return [record.value for record in self.records.get(topic, [])]

    def _check(self) -> None:
        if self.failing is not None:
            raise self.failing


class MemoryTail:
    def __init__(self, log: MemoryLog, topic: str, start: int) -> None:
        self._log, self._topic, self._next = log, topic, start

    async def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        self._log._check()
        found = self._log.records.get(self._topic, [])[self._next : self._next + max_records]
        self._next += len(found)
        if not found:
            await asyncio.sleep(0.005)
        return found

    async def close(self) -> None: ...


@dataclass
class MemoryStore:
    """Online features in memory. ``failing`` raises, ``hanging`` never answers."""

    customers: dict[str, CustomerFeatures] = field(default_factory=dict)
    failing: bool = False
    hanging: bool = False
    reads: int = 0

    async def read_customer(self, user_id: str | None, anonymous_id: str | None) -> CustomerFeatures:
        self.reads += 1
        if self.hanging:
            await asyncio.Event().wait()
        if self.failing:
            raise TryLater("the online store is away", retry_after=2)
        key = f"u:{user_id}" if user_id is not None else f"a:{anonymous_id}"
        return self.customers.get(key, CustomerFeatures())

    async def erase(self, keys: Iterable[str]) -> None:
        if self.failing:
            raise TryLater("the online store is away", retry_after=2)
        for key in keys:
            self.customers.pop(key, None)


@dataclass
class MemoryLake:
    stored: list[StoredProduct] = field(default_factory=list)
    nodes: list[StoredCategory] = field(default_factory=list)
    failing: bool = False

    def products(self, log_id: str) -> tuple[list[StoredProduct], dict[int, int]]:
        if self.failing:
            raise TryLater("the lake is away")
        return self.stored, {}

    def categories(self, log_id: str) -> tuple[list[StoredCategory], dict[int, int]]:
        if self.failing:
            raise TryLater("the lake is away")
        return self.nodes, {}


class FolderRegistry:
    """Versions are folders below one; the champion is whatever a test says it is."""

    def __init__(self, folder: Path, champion: str | None = None) -> None:
        self.folder = folder
        self.champion = champion
        self.failing = False
        self.classes = MODELS

    def version_of(self, alias: str) -> str | None:
        if self.failing:
            raise TryLater("the registry is away")
        return self.champion

    def fetch(self, version: str) -> Path:
        return self.folder / version


def rarest_first(interactions: Interactions, weights: Mapping[str, float]) -> Ranker:
    """A ranker of one tree that puts items with fewer interactions than most before the others."""
    signals = Signals.fit(interactions)
    count = feature_names(tuple(weights)).index("count")
    tree = Trees(
        root=np.array([0], np.int32),
        feature=np.array([count, -1, -1], np.int32),
        left=np.array([1, -1, -1], np.int32),
        right=np.array([2, -1, -1], np.int32),
        threshold=np.array([float(np.median(signals.of_item[:, 0])), 2.0, -2.0]),
    )
    return Ranker(weights, signals, tree, UNCALIBRATED, RankerSettings())


def write_model(folder: Path, items: Sequence[str] = (*TEA, *TENTS), ranked: bool = False) -> Path:
    """A bundle in ``folder``: sessions of tea things or of tents in DE, tea-1 in each of the former."""
    rows = []
    for session in range(40):
        group = [item for item in items if item.startswith("tea" if session % 4 else "tent")]
        visited = group[:1] + [group[1 + (session + step) % (len(group) - 1)] for step in range(2)]
        for step, item in enumerate(visited):
            rows.append((f"u{session}", f"s{session}", item, Kind.VIEW, 1_772_000_000 + 100 * session + step, "DE"))
        rows += [
            (f"u{session}", f"s{session}", item, Kind.BUY, 1_772_000_050 + 100 * session, "DE") for item in visited
        ]
    frame = pd.DataFrame(rows, columns=["user", "session", "item", "event", "time", "market"])
    interactions = from_frame(frame)
    models: dict[str, CandidateModel] = {
        model.name: model.fit(interactions) for model in (Popular, SessionKnn, Covisitation, BoughtTogether)
    }
    window = DataWindow(
        first_event=NOW - timedelta(days=9),
        last_event=NOW,
        interactions=len(interactions),
        users=interactions.n_users,
        sessions=interactions.n_sessions,
        items=interactions.n_items,
    )
    write_bundle(
        folder,
        item_ids=interactions.item_ids,
        markets=interactions.markets,
        models=models,
        blends=blends_of(BLENDS, models),
        rankers={VISIT: rarest_first(interactions, blends_of(BLENDS, models)["home"])} if ranked else None,
        window=window,
        metrics={},
        settings={},
        created_at=NOW,
    )
    return folder


def product(item_id: str, **overrides: Any) -> StoredProduct:
    fields: dict[str, Any] = {
        "item_id": item_id,
        "name": item_id.replace("-", " ").title(),
        "category_id": item_id.split("-", maxsplit=1)[0],
        "price": 10.0,
        "currency": "EUR",
        "updated_at": NOW,
    }
    return StoredProduct(**fields | overrides)


def customer(*viewed: str, kind: Kind = Kind.VIEW, profile: UserProfile | None = None) -> CustomerFeatures:
    """Someone who did ``kind`` with these items just now."""
    start = int(NOW.timestamp() * 1e6) - 60_000_000
    interactions = [Interaction(start + n, f"e{n}", 0, item, kind) for n, item in enumerate(viewed)]
    return CustomerFeatures(Activity(tuple(interactions)), profile)


@dataclass
class Shop:
    """The service with its parts in reach, and a client that talks to it without a network."""

    log: MemoryLog
    store: MemoryStore
    lake: MemoryLake
    registry: FolderRegistry
    client: httpx.AsyncClient
    service: Service

    async def until(self, holds: Any) -> None:
        """Wait, at most a minute, until ``holds()``."""
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.005)

    async def recommend(self, **question: Any) -> Any:
        answer = await self.client.post("/v1/recommendations", json={"placement": "home"} | question)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def items(self, **question: Any) -> list[str]:
        return [item["item_id"] for item in (await self.recommend(**question))["items"]]


@asynccontextmanager
async def open_shop(
    folder: Path,
    *,
    model: bool = True,
    products: Sequence[StoredProduct] | None = None,
    keys: tuple[str, ...] = (),
    markets: tuple[str, ...] = (),
    lake: MemoryLake | None = None,
    log: MemoryLog | None = None,
    clock: Any = None,
    **settings: Any,
) -> AsyncIterator[Shop]:
    """A shop whose catalogue and model are loaded; by default all eight products and one model."""
    if products is None:
        products = [product(item_id) for item_id in (*TEA, *TENTS)]
    if model:
        write_model(folder / "v1")
    log, store = log or MemoryLog(), MemoryStore()
    lake = lake or MemoryLake(list(products))
    registry = FolderRegistry(folder, "v1" if model else None)
    ids = iter(range(1_000_000))
    parts = Parts(
        log=log,
        features=store,
        lake=lake,
        registry=registry,
        settings=ServingSettings(**{"model_poll_seconds": 0.01, "category_share": 1.0} | settings),
        keys=keys,
        markets=markets,
        clock=clock or (lambda: NOW),
        new_id=lambda: f"r{next(ids)}",
    )
    app = create_app(parts)
    service: Service = app.state.service
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        shop = Shop(log, store, lake, registry, client, service)
        if model:
            # On a busy machine the service starts without, for compiling takes longer than it waits.
            await shop.until(lambda: service.slot.current is not None)
        yield shop
