"""The composition root: the only place where settings become open connections and parts are joined."""

import asyncio
import gc
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, start_http_server

from feature_repo.errors import Misconfigured, TryLater
from feature_repo.online import OnlineFeatures
from feature_repo.opening import open_online_features
from ingestion.sinks.lake import Lake
from ingestion.stream.catch_up import catch_up
from ingestion.stream.counters import StreamCounters
from ingestion.stream.features_group import FeaturesGroup
from ingestion.stream.lake_group import LakeGroup
from ingestion.transports.log import EventLog
from ingestion.transports.opening import open_log
from shopfloor.settings import Settings

if TYPE_CHECKING:
    import duckdb
    from fastapi import FastAPI

    from training.registry import ModelRegistry

# What only the service needs (FastAPI, numba, SciPy) is imported there: it would cost each worker 130 MB.

SCRATCH_MEMORY: Final = "512MB"


@asynccontextmanager
async def event_log(settings: Settings, client_id: str) -> AsyncIterator[EventLog]:
    """The log that the settings name, closed at the end. ``client_id`` names this process to the log."""
    opened = await open_log(settings.events_address, client_id)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def online_features(settings: Settings) -> AsyncIterator[OnlineFeatures]:
    opened = open_online_features(settings.online_address, settings.data)
    try:
        yield opened
    finally:
        await opened.close()


def lake(settings: Settings) -> Lake:
    return Lake(settings.lake_address)


@contextmanager
def scratch_database(settings: Settings) -> "Iterator[duckdb.DuckDBPyConnection]":
    """An empty DuckDB in memory for one question, which spills into the data folder; gone afterwards.

    What it meets of the world, a file that went away or a full disk, is raised as TryLater.
    """
    import duckdb

    settings.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".spill-", dir=settings.data) as spill:
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": SCRATCH_MEMORY,
            "temp_directory": spill,
            "threads": 2,
            "preserve_insertion_order": False,
        }
        with duckdb.connect(":memory:", config=config) as database:
            try:
                yield database
            except (duckdb.IOException, duckdb.HTTPException, duckdb.OutOfMemoryException) as error:
                raise TryLater(f"the lake could not be counted: {error}; make room and run it again") from error


def model_registry(settings: Settings) -> "ModelRegistry":
    from training.models import MODELS
    from training.own_models import WithOwn
    from training.registry import ModelRegistry

    return ModelRegistry(
        settings.models_address,
        settings.data / "models",
        settings.data / "mlartifacts",
        classes=WithOwn(MODELS, settings.training.own_models),
    )


@asynccontextmanager
async def service(settings: Settings) -> "AsyncIterator[FastAPI]":
    """The HTTP application with its gateways open."""
    from serving.app import Parts, create_app

    async with event_log(settings, "serve") as log, online_features(settings) as features:
        yield create_app(
            Parts(
                log=log,
                features=features,
                lake=lake(settings),
                registry=model_registry(settings),
                settings=settings.serving,
                keys=settings.keys,
                markets=settings.markets,
                clock=lambda: datetime.now(UTC),
                new_id=lambda: uuid.uuid4().hex,
            )
        )


@contextmanager
def _calm_collector() -> Iterator[None]:
    """Let the garbage collector walk a batch's twenty thousand objects rarely: its default doubles an event's CPU."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


@contextmanager
def _counters(metrics_port: int) -> Iterator[StreamCounters]:
    """A worker's counters, served as Prometheus text on loopback; with port 0 they are not."""
    registry = CollectorRegistry()
    counters = StreamCounters(registry)
    if not metrics_port:
        yield counters
        return
    try:
        server, thread = start_http_server(metrics_port, addr="127.0.0.1", registry=registry)
    except OSError as error:
        raise Misconfigured(
            f"metrics cannot be served on port {metrics_port}: {error}; give each worker of this machine a "
            "--metrics-port of its own"
        ) from error
    try:
        yield counters
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


async def run_lake_worker(settings: Settings, stop: asyncio.Event, metrics_port: int | None = None) -> None:
    """One member of the lake group, until ``stop`` is set; ``metrics_port`` None for the one that is set."""
    port = settings.stream.lake_metrics_port if metrics_port is None else metrics_port
    with _counters(port) as counters, _calm_collector():
        async with event_log(settings, "lake") as log:
            await LakeGroup(log, lake(settings), settings.stream, counters, time.time).run(stop)


async def fill_lake(settings: Settings, progress: Callable[[int, int], None]) -> int:
    """Bring everything that the log holds now into the lake, whether or not a worker runs; how many were missing."""
    tables = lake(settings)
    with _calm_collector():
        async with event_log(settings, "fill") as log:
            counters = StreamCounters(CollectorRegistry())
            member = LakeGroup(log, tables, settings.stream, counters, time.time)
            # A worker commits each lake_batch_seconds at the latest, so within twice that it would have moved.
            return await catch_up(log, tables, member, 2 * settings.stream.lake_batch_seconds, progress)


async def run_features_worker(settings: Settings, stop: asyncio.Event, metrics_port: int | None = None) -> None:
    """One member of the features group, until ``stop`` is set; ``metrics_port`` None for the one that is set."""
    port = settings.stream.features_metrics_port if metrics_port is None else metrics_port
    with _counters(port) as counters:
        async with event_log(settings, "features") as log, online_features(settings) as features:
            await FeaturesGroup(log, features, settings.stream, counters, time.time).run(stop)
