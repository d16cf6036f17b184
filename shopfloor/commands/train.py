"""``shopfloor train``: from the lake to a registered version, the challenger."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.filling import fill_lake
from shopfloor.commands.options import AsJson, Config, in_utc

if TYPE_CHECKING:
    from rich.console import Console

    from training.jobs import Trained

Since = Annotated[datetime | None, typer.Option("--since", help="Learn from events at or after this time (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", help="Learn from events before this time (UTC).")]
IfNew = Annotated[bool, typer.Option("--if-new", help="Do nothing when the newest version has learnt from all of it.")]
Promote = Annotated[bool, typer.Option("--promote", help="Make it the champion, if the gate lets it pass.")]


def register(app: typer.Typer) -> None:
    app.command()(train)


def train(
    since: Since = None,
    until: Until = None,
    promote: Promote = False,
    if_new: IfNew = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Fit all models on the lake's events, compare them, register the version and make it challenger.

    Where there is no champion, as in a new shop, it becomes champion at once.
    """
    from shopfloor import wiring
    from shopfloor.output import Output, by_step
    from shopfloor.settings import LoadedSettings
    from training import jobs
    from training.assortment import CatalogueFiles
    from training.dataset import BEGINNING, END
    from training.model_card import CARD
    from training.promotion import promote as through_the_gate

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    registry = wiring.model_registry(settings)
    with output.progress() as bars:
        fill_lake(settings, bars)
        lake = wiring.lake(settings)
        try:
            trained = jobs.train(
                lake.event_files(),
                registry,
                settings.training,
                settings.data,
                clock=lambda: datetime.now(UTC),
                progress=by_step(bars),
                since=in_utc(since) or BEGINNING,
                until=in_utc(until) or END,
                if_new=if_new,
                catalogue=CatalogueFiles(lake.files("products"), lake.files("taxonomy")),
                exposures=lake.files("exposures"),
            )
        except jobs.NothingNew as nothing:
            sentence, newest = f"Nothing to do: {nothing}.", nothing.version
            output.result({"version": newest, "trained": False}, lambda console: console.print(sentence))
            return
    stored = registry.stored(trained.version)
    output.note(f"its card: {stored / CARD if stored else CARD + ', among the artifacts of its run in MLflow'}")
    for bot in trained.left_out:
        output.note(f"left out, looks like a bot: {bot}")
    promoted = trained.promoted
    if promote and not promoted:
        through_the_gate(registry, trained.version, settings.training.margin, settings.training.gate)
        promoted = True
    output.result(_document(trained, promoted), lambda console: _show(console, trained, promoted))


def _document(trained: "Trained", promoted: bool) -> dict[str, Any]:
    manifest = trained.manifest
    return {
        "version": trained.version,
        "alias": "champion" if promoted else "challenger",
        "window": manifest.window.model_dump(mode="json"),
        "models": list(manifest.models),
        "questions": trained.comparison.questions,
        "metrics": dict(manifest.metrics),
        "compared_with": manifest.settings["compared_with"],
        "left_out": [
            {"customer": bot.customer, "events": bot.events, "busiest_day": bot.busiest_day} for bot in trained.left_out
        ],
    }


def _show(console: "Console", trained: "Trained", promoted: bool) -> None:
    from rich.table import Table

    window = trained.manifest.window
    console.print(
        f"Version {trained.version}, now {'champion' if promoted else 'challenger'}: "
        f"{window.interactions:,} interactions "
        f"of {window.users:,} customers with {window.items:,} items, "
        f"{window.first_event:%Y-%m-%d} to {window.last_event:%Y-%m-%d}."
    )
    if not trained.comparison.questions:
        console.print("Too few sessions to compare it with popularity.")
        return
    table = Table("on the latest sessions", "value", "95 % interval")
    for name, figure in trained.comparison.figures.items():
        sign = "+" if name.startswith("over_") else ""
        table.add_row(name, f"{figure.value:{sign}.4f}", f"{figure.low:{sign}.4f} … {figure.high:{sign}.4f}")
    console.print(table)
