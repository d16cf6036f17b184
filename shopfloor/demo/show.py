"""The demo as it is performed: the system's processes run beside the course, then the result is shown and served."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from shopfloor.demo.course import Course, Told
from shopfloor.demo.display import Display
from shopfloor.demo.screen import against_popularity, before_and_after, pairs
from shopfloor.output import Output
from shopfloor.settings import LoadedSettings, Settings
from shopfloor.system import base_url, resident_megabytes, supervisor

REPORT = "report.html"
"""The page that a training leaves beside its run, ``training/jobs.py``; importing that takes seconds."""


async def show(
    config: Path, seed: int, scale: float, once: bool, output: Output, environ: Mapping[str, str], stop: asyncio.Event
) -> None:
    """Perform the demo that ``config`` describes; afterwards serve until ``stop`` is set, unless ``once``.

    Settings from ``environ`` are left out: the demo never touches the shop they belong to. Raises DemoFailed when a
    step fails, KeyboardInterrupt when stopped before the end. All processes have ended when this returns or raises.
    """
    others = {name: value for name, value in environ.items() if not name.startswith("SHOPFLOOR_")}
    settings = LoadedSettings.read(config, {}).settings
    processes = supervisor(settings, config, others, logs=settings.data / "logs", jobs=False)
    end = asyncio.Event()
    system = asyncio.create_task(processes.run(end))
    display = Display(output.notes, lambda process: str(settings.data / "logs" / f"{process}.log"))
    course = Course(
        settings, config, seed, scale, processes, display, lambda: datetime.now(UTC), lambda: str(uuid.uuid4())
    )
    performing = asyncio.create_task(_performed(course, display))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([system, performing, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not performing.done():
            if system.done():
                system.result()
            raise KeyboardInterrupt
        told = performing.result()
        memory = resident_megabytes(processes)
        output.result(_document(told, settings, memory), lambda console: _draw(console, told, settings, memory))
        if not once:
            output.note("serving until Ctrl-C")
            await asyncio.wait([system, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        performing.cancel()
        stopping.cancel()
        end.set()
        await asyncio.gather(performing, stopping, system, return_exceptions=True)


async def _performed(course: Course, display: Display) -> Told:
    try:
        with display:
            return await course.run()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


def _draw(console: Console, told: Told, settings: Settings, memory: Mapping[str, float]) -> None:
    title = f"What customer {told.customer} ({told.market}) is recommended by model version {told.before.model_version}"
    each = ", ".join(f"{seconds * 1000:.0f} ms" for seconds in told.seconds_to_change)
    console.print()
    console.print(before_and_after(title, told.before, told.after))
    console.print(pairs("", [("* new after the clicks on", name) for name in told.clicked]))
    console.print(pairs("", [("from each click, accepted, to a changed answer", each)]))
    console.print()
    console.print(against_popularity(told.comparison))
    console.print()
    console.print(pairs("Resident memory", [(name, f"{size:.0f} MB") for name, size in memory.items()]))
    console.print()
    console.print(pairs("Open", list(_addresses(settings).items())))


def _addresses(settings: Settings) -> dict[str, str]:
    api = base_url(settings)
    return {
        "API docs": f"{api}/docs",
        "health": f"{api}/healthz",
        "metrics": f"{api}/metrics",
        "how the model compares": ", ".join(map(str, settings.data.glob(f"**/{REPORT}"))),
        "MLflow": f"mlflow ui --backend-store-uri {settings.models_address}",
        "Feast": f"feast -c {settings.data} ui",
        "go on with it": f"shopfloor up --config {settings.data / 'shopfloor.toml'}",
    }


def _document(told: Told, settings: Settings, memory: Mapping[str, float]) -> dict[str, Any]:
    return {**asdict(told), "resident_megabytes": dict(memory), "addresses": _addresses(settings)}
