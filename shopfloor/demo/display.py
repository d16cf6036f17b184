"""The demo's steps as they go: bars on a terminal, lines in a plain log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn

from feature_repo.errors import ShopfloorError

EXPECTED: Final = (ShopfloorError, OSError, TimeoutError, httpx.HTTPError)
"""What may stop a step; anything else is a mistake of the program and shows as such."""


class DemoFailed(ShopfloorError):
    title = "The demo failed"


class _Count(TextColumn):
    """How many, and of how many where that is known."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task):  # type: ignore[no-untyped-def]
        parts = f" of {task.total:,.0f}" if task.total is not None else ""
        counted = task.completed > 1 or (task.total or 0) > 1
        self.text_format = f"{task.completed:,.0f}{parts}" if counted else ""
        return super().render(task)


class Display:
    """Shows steps, several at once if need be. Use it as a context manager."""

    def __init__(self, console: Console, log_of: Callable[[str], str]) -> None:
        """``log_of`` gives the log file of a process by name."""
        self._console = console
        self._log_of = log_of
        self._plain = not console.is_terminal
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Count(),
            TimeElapsedColumn(),
            console=console,
            disable=self._plain,
        )

    def __enter__(self) -> "Display":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def step(self, name: str, *processes: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Show a step of ``total`` parts, None: nobody knows; yields what is told how many are done.

        Raises DemoFailed, naming the step and the log files of ``processes``, for whatever may go wrong in it.
        """
        began = time.perf_counter()
        task = self._progress.add_task(name, total=total)
        if self._plain:
            self._console.print(f"{name} …")
        parts = 0

        def show(done: int) -> None:
            nonlocal parts
            parts = done
            self._progress.update(task, completed=done)

        try:
            yield show
        except EXPECTED as error:
            logs = ", ".join(self._log_of(process) for process in processes)
            why = "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise DemoFailed(f"step `{name}`: {why}{logs and f'; its output is in {logs}'}", step=name) from error
        self._finish(task, name, total or parts, time.perf_counter() - began)

    def _finish(self, task: TaskID, name: str, parts: int, seconds: float) -> None:
        self._progress.update(task, total=parts or 1, completed=parts or 1)
        if self._plain:
            self._console.print(f"{name}: {f'{parts:,} ' if parts else ''}done in {seconds:.1f} s", highlight=False)
