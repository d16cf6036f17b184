"""``shopfloor import``: a shop's past, from a legacy export into the log that live events go through."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.options import AsJson, Config

if TYPE_CHECKING:
    from rich.console import Console

    from ingestion.importers.report import Report
    from ingestion.importers.staging import Importer
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

Again = Annotated[bool, typer.Option("--again", help="Send everything even if this import has finished before.")]
File = Annotated[Path, typer.Argument(help="CSV (also .gz), JSON lines or Parquet.", show_default=False)]


def register(app: typer.Typer) -> None:
    verbs = typer.Typer(
        name="import",
        no_args_is_help=True,
        help="Load a legacy export through the same contract and log as live events. An import that was interrupted "
        "goes on where it was when the same command runs again.",
    )
    verbs.command("online-retail")(online_retail)
    verbs.command("retailrocket")(retailrocket)
    verbs.command("table")(table)
    app.add_typer(verbs)


def online_retail(file: File, config: Config = None, as_json: AsJson = False, again: Again = False) -> None:
    """The UCI Online Retail export, CSV or Parquet."""
    from ingestion.importers.online_retail import OnlineRetail

    _import(OnlineRetail(file), config, as_json, again)


def retailrocket(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Holds events, category_tree and, if any, item_properties_part1 and part2."),
    ],
    config: Config = None,
    as_json: AsJson = False,
    again: Again = False,
) -> None:
    """The RetailRocket data set in its raw form."""
    from ingestion.importers.retailrocket import RetailRocket

    _import(RetailRocket(folder), config, as_json, again)


def table(
    file: File,
    mapping: Annotated[Path, typer.Option("--map", help="MAPPING.toml, see docs/importing.md.", show_default=False)],
    config: Config = None,
    as_json: AsJson = False,
    again: Again = False,
) -> None:
    """Any table of events, products or categories, by a mapping of its columns."""
    from ingestion.importers.mapping import Mapping
    from ingestion.importers.table import TableImporter

    _import(TableImporter(file, Mapping.read(mapping)), config, as_json, again)


def _import(importer: "Importer", config: Path | None, as_json: bool, again: bool) -> None:
    import asyncio

    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    output = Output(as_json)
    report = asyncio.run(_run(importer, LoadedSettings.read(config), output, again))
    output.result(report.as_json(), lambda console: show_report(report.as_json(), console))


async def _run(importer: "Importer", loaded: "LoadedSettings", output: "Output", again: bool) -> "Report":
    from datetime import UTC, datetime

    from ingestion.importers.run import run_import
    from shopfloor import wiring
    from shopfloor.output import by_step

    settings = loaded.settings
    async with wiring.event_log(settings, "import") as log:
        with output.progress() as bars:
            return await run_import(
                importer,
                log,
                settings.data / "imports",
                lambda: datetime.now(UTC),
                by_step(bars),
                settings.markets,
                again,
            )


def show_report(report: dict[str, Any], console: "Console") -> None:
    """The report for people: one block a question, nothing where there is nothing to say."""

    def say(text: str) -> None:
        console.print(text, highlight=False)

    lines, accepted = report["lines"], report["accepted"]
    if report["already_complete"]:
        say("This import has finished before; nothing was sent. Its report (--again sends everything once more):")
    if report["resumed_after"]:
        say(f"Went on after {report['resumed_after']:,} records that an interrupted run had put into the log.")
    fates = f"{lines['used']:,} used, {lines['left_out']:,} left out by rule, {lines['refused']:,} refused"
    say(f"Read      {lines['read']:>12,} lines: {fates}")
    for topic, count in accepted.items():
        names = ", ".join(f"{n:,} {name}" for name, n in report["events"].items()) if topic == "events" else ""
        say(f"Accepted  {count:>12,} {topic}{f' ({names})' if names else ''}")
    for repair in report["repaired"]:
        say(f"Repaired  {repair['count']:>12,} {repair['how']}")
    for left_out in report["left_out"]:
        say(f"Left out  {left_out['lines']:>12,} {left_out['rule']}")
    for refused in report["refused"]:
        say(f"Refused   {refused['records']:>12,} {refused['field']}: {refused['reason']}")
        for example in refused["examples"]:
            say(f"          {'':>12} line {example['line']}: {example['value']}")
    for note in report["notes"]:
        say(f"Note      {note}")
    for path in report["refused_files"]:
        say(f"Mend and import again: {path}")
