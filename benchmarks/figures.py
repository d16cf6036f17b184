"""What a benchmark found, beside what it must reach: a row of the table and of the JSON document."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. ``measured`` is None where it could not be measured here; ``note`` then says why.

    ``target`` None means that the number is shown for its own sake. A goal that is not ``required`` fails nothing.
    """

    what: str
    measured: float | None
    unit: str = ""
    target: float | None = None
    at_least: bool = False
    """Whether more is better; otherwise the target is the most that is allowed."""
    required: bool = True
    note: str = ""
    command: str = ""
    popular: float | None = None
    """The same of plain popularity, where that can be said."""
    published: str = ""
    """What others published of the same."""
    reached: bool | None = None
    """What the benchmark itself found, where its target asks for more than the value: a gain must be surely one."""

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None without a target or a measurement."""
        if self.target is None or self.measured is None:
            return None
        if self.reached is not None:
            return self.reached
        return self.measured >= self.target if self.at_least else self.measured <= self.target

    @property
    def missed(self) -> bool:
        return self.required and self.met is False


def skipped(what: str, why: str) -> Figure:
    return Figure(what, None, note=why)


def document(figures: Sequence[Figure]) -> dict[str, Any]:
    return {"rows": [{**asdict(figure), "met": figure.met} for figure in figures]}


def from_document(found: dict[str, Any]) -> list[Figure]:
    return [Figure(**{name: value for name, value in row.items() if name != "met"}) for row in found["rows"]]


def table(title: str, figures: Sequence[Figure]) -> Table:
    drawn = Table("what", title=title, title_justify="left")
    beside = any(figure.popular is not None or figure.published for figure in figures)
    for heading in ("measured", *(("popular",) if beside else ()), "target", ""):
        drawn.add_column(heading, justify="right")
    if beside:
        drawn.add_column("published")
    drawn.add_column("command" if any(figure.command for figure in figures) else "note")
    for figure in figures:
        measured = "skipped" if figure.measured is None else f"{_short(figure.measured)} {figure.unit}".strip()
        target = "" if figure.target is None else f"{'>=' if figure.at_least else '<='} {_short(figure.target)}"
        told = figure.note if figure.measured is None or figure.missed else ""
        last = told or figure.command or figure.note
        popular = "" if figure.popular is None else _short(figure.popular)
        cells = [measured, *((popular,) if beside else ()), target, _verdict(figure)]
        drawn.add_row(figure.what, *cells, *((figure.published,) if beside else ()), last)
    return drawn


def report(title: str, figures: Sequence[Figure], out: Path | None) -> int:
    """Print the table, write the JSON where asked for; the exit status, 1 when a target is missed."""
    Console(width=None if sys.stdout.isatty() else 150, markup=False, emoji=False).print(table(title, figures))
    if out:
        out.write_text(json.dumps(document(figures), indent=1) + "\n")
    return 1 if any(figure.missed for figure in figures) else 0


def _short(number: float) -> str:
    """Three or four significant digits, large numbers in full."""
    if abs(number) >= 100 or number == int(number):
        return f"{number:,.0f}"
    return f"{number:.1f}" if abs(number) >= 10 else f"{number:.2f}" if abs(number) >= 1 else f"{number:.4f}"


def _verdict(figure: Figure) -> str:
    if figure.met is None:
        return ""
    return "met" if figure.met else "MISSED" if figure.required else "goal"
