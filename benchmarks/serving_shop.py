"""The shop of the serving benchmark: 30,000 products, 5,000 customers with a history, a version that is champion."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from training.candidates.candidate import CandidateModel
    from training.interactions import Interactions
    from training.ranker import Ranker

N_PRODUCTS = 30_000
N_CUSTOMERS = 5_000
N_SESSIONS = 60_000
MARKETS = ("DE", "FR", "CH")
SEED = 7
QUESTIONS = 1_000
"""Lists that each ranker learns from: enough for as many trees as a ranker has, which is what an answer's cost is."""


async def prepare(environ: dict[str, str], progress: Callable[[str], None]) -> None:
    """A shop of 30,000 products with visitors who stay within a taste, so that models have something to find."""
    from ingestion.contracts.parse import to_log
    from ingestion.transports.log import PRODUCTS, Message
    from shopfloor import wiring
    from shopfloor.settings import LoadedSettings

    settings = LoadedSettings.read(None, environ).settings
    settings.data.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    progress("products")
    async with wiring.event_log(settings, "bench") as log:
        products = list(make_products(random))
        for start in range(0, len(products), 5_000):
            messages = [Message(p.key.encode(), to_log(p)) for p in products[start : start + 5_000]]
            await log.append(PRODUCTS, messages)
    progress("customers")
    async with wiring.online_features(settings) as features:
        activities = dict(make_activities(random))
        keys = list(activities)
        for start in range(0, len(keys), 500):
            features.write_activity({key: activities[key] for key in keys[start : start + 500]})
    progress("model")
    registry = wiring.model_registry(settings)
    train(settings.data / "bundle", random)
    registry.promote(registry.register(settings.data / "bundle", {}, {}))


def make_products(random: np.random.Generator) -> Any:
    from ingestion.contracts.product import StoredProduct

    now = datetime.now(UTC)
    in_stock = random.random(N_PRODUCTS) > 0.1
    for number in range(N_PRODUCTS):
        yield StoredProduct(
            item_id=item(number),
            name=f"Product {number}",
            category_id=f"category-{number % 300}",
            price=float(number % 97) + 1,
            currency="EUR",
            in_stock=bool(in_stock[number]),
            updated_at=now,
        )


def item(number: int) -> str:
    return f"sku-{number:05}"


def make_activities(random: np.random.Generator) -> Any:
    from feature_repo.activity import Activity, Interaction, Kind

    now_us = int(time.time() * 1e6)
    for customer in range(N_CUSTOMERS):
        length = int(random.integers(5, 51))
        # Visits hours apart, the last of them still going on.
        ages = np.sort(random.exponential(2e5, length))[::-1].astype(np.int64) * 1_000_000
        visited = tastes(random, 1, length)[0]
        yield (
            f"u:c-{customer}",
            Activity(
                tuple(
                    Interaction(now_us - int(age), f"e-{customer}-{n}", 0, item(int(number)), Kind.VIEW)
                    for n, (age, number) in enumerate(zip(ages, visited, strict=True))
                )
            ),
        )


def tastes(random: np.random.Generator, n: int, length: int) -> Any:
    """``n`` visits of ``length`` products: each stays near one place of the assortment, popular products more often."""
    centre = (random.random((n, 1)) ** 2 * N_PRODUCTS).astype(np.int64)
    return (centre + random.geometric(0.02, (n, length))) % N_PRODUCTS


def make_interactions(random: np.random.Generator) -> "Interactions":
    """What the shop learns from, with all that its catalogue says of products."""
    import pandas as pd

    from feature_repo.activity import Kind
    from training.interactions import Content, Taxonomy, from_frame

    length = 6
    now = int(time.time())
    visited = tastes(random, N_SESSIONS, length)
    start = now - random.integers(0, 60 * 86_400, N_SESSIONS)
    frame = pd.DataFrame(
        {
            "user": np.repeat(random.integers(0, N_SESSIONS // 3, N_SESSIONS), length),
            "session": np.repeat(np.arange(N_SESSIONS), length),
            "item": [item(number) for number in visited.ravel().tolist()],
            "event": np.where(random.random(visited.size) < 0.1, Kind.BUY, Kind.VIEW).astype(np.int8),
            "time": (start[:, None] + 30 * np.arange(length)).ravel(),
            "market": np.repeat(np.asarray(MARKETS)[random.integers(0, len(MARKETS), N_SESSIONS)], length),
        }
    )
    interactions = from_frame(frame)
    number = np.array([int(item_id.removeprefix("sku-")) for item_id in interactions.item_ids.tolist()])
    return replace(
        interactions,
        taxonomy=Taxonomy((number % 300).astype(np.int32), (number % 30).astype(np.int32)),
        content=Content(
            name=tuple(f"Product {n}" for n in number.tolist()),
            brand=np.full(len(number), -1, np.int32),
            price=(number % 97 + 1).astype(np.float32),
            published=np.where(number % 10, now - 200 * 86_400, now - 20 * 86_400).astype(np.int64),
        ),
    )


def train(folder: Path, random: np.random.Generator) -> None:
    from training.blend import BLENDS, blends_of
    from training.bundle import DataWindow, write_bundle
    from training.candidates import MODELS

    interactions = make_interactions(random)
    weighed = {name for weights in BLENDS.values() for name in weights}
    models = {name: MODELS[name].fit(interactions) for name in sorted(weighed)}
    write_bundle(
        folder,
        item_ids=interactions.item_ids,
        markets=interactions.markets,
        models=models,
        blends=blends_of(BLENDS, models),
        rankers=rankers_of(interactions, models),
        window=DataWindow(
            first_event=datetime.fromtimestamp(int(interactions.time.min()), UTC),
            last_event=datetime.fromtimestamp(int(interactions.time.max()), UTC),
            interactions=len(interactions),
            users=interactions.n_users,
            sessions=interactions.n_sessions,
            items=interactions.n_items,
        ),
        metrics={},
        settings={},
        created_at=datetime.now(UTC),
    )


def rankers_of(interactions: "Interactions", models: "Mapping[str, CandidateModel]") -> "dict[str, Ranker]":
    """A ranker wherever a version has one, whether or not it would be worth its time in this shop."""
    from training.blend import BLENDS, TAUGHT_BY
    from training.folds import in_visits
    from training.next_step import next_steps
    from training.probability import UNCALIBRATED
    from training.ranker import Ranker, RankerSettings, learnt, replayed_rows
    from training.ranking_features import Signals

    settings = RankerSettings(candidates=100)
    signals = Signals.fit(in_visits(interactions), SEED)
    end = int(interactions.time.max())
    visits = next_steps(interactions, end - 20 * 86_400, end, QUESTIONS, SEED)
    rankers = {}
    for name, blend in TAUGHT_BY.items():
        weights = BLENDS[blend]
        trees = learnt([replayed_rows(visits, models, weights, signals, settings)], settings, SEED)
        assert trees is not None
        rankers[name] = Ranker(weights, signals, trees, UNCALIBRATED, settings)
    return rankers
