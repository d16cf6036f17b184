"""What ``materialize`` and ``train`` begin with: everything the log holds into the lake."""

import asyncio
from typing import TYPE_CHECKING

from rich.progress import Progress, TaskID

from shopfloor.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable


def fill_lake(settings: Settings, bars: Progress) -> None:
    """Wait for the workers to write what they have not written yet, or do it here when none runs."""
    from shopfloor import wiring

    asyncio.run(wiring.fill_lake(settings, _bar(bars)))


def _bar(bars: Progress) -> "Callable[[int, int], None]":
    """A bar that appears with the first progress, so that there is none where nothing was missing."""
    tasks: list[TaskID] = []

    def show(done: int, total: int) -> None:
        if not tasks:
            tasks.append(bars.add_task("log into lake", total=total))
        bars.update(tasks[0], completed=done)

    return show
