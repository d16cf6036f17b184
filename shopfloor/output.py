"""What a command says: with ``--json`` one document on standard output and all else on standard error."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

PIPED: Final = 160
"""Columns that tables may take in a pipe or a file, where nobody's window ends and a wrapped row cannot be searched."""


class Output:
    """Results go to standard output; progress, notes and errors to standard error.

    No text is read as Rich's markup, in tables neither: customers, items and markets may be named ``bot[/red]``. Style
    is given with ``rich.text.Text``.
    """

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.notes = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)
        self._results = Console(soft_wrap=True, markup=False, emoji=False)
        if not self._results.is_terminal and "COLUMNS" not in os.environ:
            self._results.width = PIPED

    def note(self, text: str) -> None:
        self.notes.print(text)

    def error(self, text: str) -> None:
        self.notes.print(Text.assemble(("error:", "bold red"), " ", text))

    def result(self, document: dict[str, Any], show: Callable[[Console], None]) -> None:
        """The command's one result, as JSON or as ``show`` draws it."""
        if self.as_json:
            json.dump(document, sys.stdout, default=str)
            sys.stdout.write("\n")
        else:
            show(self._results)

    def progress(self) -> Progress:
        """A progress display that disappears into plain lines where there is no terminal."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.notes,
        )


def by_step(bars: Progress) -> Callable[[str, int, int], None]:
    """Told a step's name, how much of it is done, and of how much, it draws a bar for each step."""
    tasks: dict[str, TaskID] = {}

    def show(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total)
        bars.update(tasks[step], completed=done, total=total)

    return show
