"""What a whole running system consists of, and how one sees that it answers."""

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from shopfloor.settings import Settings
from shopfloor.signals import until_stopped
from shopfloor.supervisor import Job, Service, Supervisor

API: Final = "serve"
FEATURES_WORKER: Final = "work-features"
LAKE_WORKER: Final = "work-lake"
LOOK_EVERY: Final = 0.1


def supervisor(
    settings: Settings, config: Path | None, environ: Mapping[str, str], *, logs: Path | None = None, jobs: bool = True
) -> Supervisor:
    """All processes of a system with these settings. ``config`` and ``environ`` are what they were read from."""
    with_config = () if config is None else ("--config", str(config.absolute()))
    schedule = settings.schedule
    planned = [
        Job("materialize", (("materialize", *with_config),), schedule.materialize_minutes * 60),
        Job("train", (("train", "--if-new", "--promote", *with_config),), schedule.train_minutes * 60),
        Job("maintain", (("maintain", *with_config),), schedule.maintain_minutes * 60),
    ]
    return Supervisor(
        services=(
            Service(API, ("serve", *with_config)),
            Service(FEATURES_WORKER, ("work", "--group", "features", *with_config)),
            Service(LAKE_WORKER, ("work", "--group", "lake", *with_config)),
        ),
        jobs=[job for job in planned if job.every_seconds > 0] if jobs else [],
        environ={**environ, "SHOPFLOOR_PORT": str(settings.port)},
        state=settings.data / "schedule",
        retry_seconds=schedule.retry_minutes * 60,
        logs=logs,
    )


async def run_system(
    settings: Settings, config: Path | None, environ: Mapping[str, str], note: Callable[[str], None]
) -> None:
    """Run until SIGTERM or SIGINT; ``note`` is told the addresses once the API answers."""

    async def run(stop: asyncio.Event) -> None:
        processes = supervisor(settings, config, environ)
        announcing = asyncio.create_task(_announce(settings, processes, note))
        try:
            await processes.run(stop)
        finally:
            announcing.cancel()

    await until_stopped(run)
    note("stopped")


async def answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    return await asyncio.to_thread(_answers, url)


def base_url(settings: Settings) -> str:
    """Where this machine reaches the API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def resident_megabytes(processes: Supervisor) -> dict[str, float]:
    """Resident memory of each process with all its descendants, and our own."""
    result = {"supervisor": psutil.Process().memory_info().rss / 1e6}
    for name, process in processes.running.items():
        try:
            whole = psutil.Process(process.pid)
            result[name] = sum(part.memory_info().rss for part in [whole, *whole.children(recursive=True)]) / 1e6
        except psutil.NoSuchProcess:
            continue
    return result


async def _announce(settings: Settings, processes: Supervisor, note: Callable[[str], None]) -> None:
    address = base_url(settings)
    while not await answers(f"{address}/readyz"):  # noqa: ASYNC110  # another process sets no event of ours
        await asyncio.sleep(LOOK_EVERY)
    note(f"ready: API {address}/v1  docs {address}/docs  health {address}/healthz  metrics {address}/metrics")
    memory = ", ".join(f"{name} {size:.0f}" for name, size in resident_megabytes(processes).items())
    note(f"data in {settings.data}; resident memory in MB: {memory}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310  # our own http address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
