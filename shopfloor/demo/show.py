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
from shopfloor.demo.screen import before_and_after, pairs
from shopfloor.output import Output
from shopfloor.settings import LoadedSettings, Settings
from shopfloor.system import base_url, resident_megabytes, supervisor


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
    clicked = "; ".join(told.clicked)
    console.print()
    console.print(before_and_after(f"What customer {told.customer} is recommended", told.before, told.after))
    console.print(f"* new after the clicks on {clicked}\n", style="dim", highlight=False)
    each = ", ".join(f"{seconds * 1000:.0f}" for seconds in told.seconds_to_change)
    console.print(pairs("From click accepted to changed answer", [("milliseconds", each)]))
    console.print(pairs("\nResident memory", [(name, f"{size:.0f} MB") for name, size in memory.items()]))
    console.print(pairs("\nOpen", list(_addresses(settings).items())))


def _addresses(settings: Settings) -> dict[str, str]:
    api = base_url(settings)
    return {
        "API docs": f"{api}/docs",
        "health": f"{api}/healthz",
        "metrics": f"{api}/metrics",
        "MLflow": f"mlflow ui --backend-store-uri {settings.models_address}",
        "Feast": f"feast -c {settings.data} ui",
        "go on with it": f"shopfloor up --config {settings.data / 'shopfloor.toml'}",
    }


def _document(told: Told, settings: Settings, memory: Mapping[str, float]) -> dict[str, Any]:
    return {**asdict(told), "resident_megabytes": dict(memory), "addresses": _addresses(settings)}
