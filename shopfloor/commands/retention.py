"""``shopfloor retention``: whether customers come back, from the lake."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.filling import fill_lake
from shopfloor.commands.options import AsJson, Config, in_utc

if TYPE_CHECKING:
    from rich.console import Console

    from training.evaluation.active_days import Observation
    from training.evaluation.retention import Row

Since = Annotated[datetime | None, typer.Option("--since", help="Count visits and orders from this day on (UTC).")]
Until = Annotated[
    datetime | None, typer.Option("--until", help="Count days before this one (UTC); default: that of the last event.")
]


def register(app: typer.Typer) -> None:
    app.command()(retention)


def retention(since: Since = None, until: Until = None, config: Config = None, as_json: AsJson = False) -> None:
    """Measure whether customers come back: within 7 and 28 days, with a second purchase, in orders a month.

    What could not be watched to its end yet is not counted as lost. docs/retention.md says how to read the figures.
    """
    from feature_repo.errors import BadInput
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training.evaluation.active_days import BEGINNING, day_number, midnight, read_active_days
    from training.evaluation.retention import customer_sums, measured

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    start, stop = in_utc(since), in_utc(until)
    first = BEGINNING if start is None else midnight(start)
    with output.progress() as bars:
        fill_lake(settings, bars)
        files = wiring.lake(settings).event_files()
        step = bars.add_task("read the lake", total=2)
        with wiring.scratch_database(settings) as database:
            seen = read_active_days(database, files, stop, settings.training.most_events_a_day)
            bars.update(step, completed=1, description="follow each customer")
            counted = customer_sums(database, day_number(first), day_number(seen.end))
            bars.update(step, completed=2)
        if first >= seen.end or not counted.sizes.any():
            raise BadInput(f"no whole day of visits between {first:%Y-%m-%d} and {seen.end:%Y-%m-%d}; widen the dates")
        step = bars.add_task("intervals", total=1)
        seed = settings.training.seed
        rows = measured(counted, seed, lambda done, total: bars.update(step, completed=done, total=total))
    if seen.bots:
        output.note(f"left out as bots, by training.most_events_a_day: {seen.bots:,}")
    output.result(_document(rows, seen, first), lambda console: _show(console, rows, seen))


def _document(rows: "list[Row]", seen: "Observation", first: datetime) -> dict[str, Any]:
    watched = {"since": first.date().isoformat(), "until": seen.end.date().isoformat(), "bots": seen.bots}
    return watched | {"rows": [row.as_document() for row in rows]}


def _show(console: "Console", rows: "list[Row]", seen: "Observation") -> None:
    from rich.table import Table

    from training.evaluation.retention import MEASURES, WORDING

    table = Table("", "", title=f"Watched up to {seen.end:%Y-%m-%d}; 95 % intervals over customers")
    for heading in ("value", "95 % interval", "of"):
        table.add_column(heading, justify="right")
    for row in rows:
        told, counted = WORDING[row.measure]
        figure = ("", "not watched long enough")
        if row.figure is not None:
            figure = f"{row.figure.value:.3f}", f"{row.figure.low:.3f} to {row.figure.high:.3f}"
        begins, ends = row.measure == MEASURES[0], row.measure == MEASURES[-1]
        table.add_row(row.slice if begins else "", told, *figure, f"{row.of:,.0f} {counted}", end_section=ends)
    console.print(table)
