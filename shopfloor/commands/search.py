"""``shopfloor search``: settings of the models and weights of the blends that do better than those in force."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.filling import fill_lake
from shopfloor.commands.options import AsJson, Config, in_utc

if TYPE_CHECKING:
    from rich.console import Console

    from training.search.held_out import Difference
    from training.search.search import Found

Placements = Annotated[
    list[str] | None,
    typer.Option("--placement", help="Search for this placement; may be repeated. Default: all with enough answers."),
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="Try this model in the blends too, which none of them has yet; may be repeated."),
]
Minutes = Annotated[float, typer.Option("--minutes", help="About how long to search; models and blends share it.")]
Trials = Annotated[
    int | None,
    typer.Option(
        "--trials",
        help="At most this many for each model and placement, of all calls together; default: 60 for each model, and "
        "as many blends as there is time for.",
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="What was tried, and the result; default: search in the data folder.")
]
Anew = Annotated[bool, typer.Option("--anew", help="Forget what was tried in this folder and start anew.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Use events at or after this time (UTC).")]
Until = Annotated[datetime | None, typer.Option("--until", help="Use events before this time (UTC).")]


def register(app: typer.Typer) -> None:
    app.command()(search)


def search(
    placement: Placements = None,
    model: Models = None,
    minutes: Minutes = 30.0,
    trials: Trials = None,
    folder: Folder = None,
    anew: Anew = False,
    since: Since = None,
    until: Until = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Search for better settings of the models and weights of the blends, and write what proves better.

    Settings are chosen on earlier visits and compared with those in force on the latest ones. A search that was
    stopped goes on where it was when the command is given again.
    """
    from shopfloor import wiring
    from shopfloor.output import Output, by_step
    from shopfloor.settings import LoadedSettings
    from training.assortment import CatalogueFiles
    from training.dataset import BEGINNING, END
    from training.search.search import search as search_for_settings
    from training.search.stages import Limits

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    with output.progress() as bars:
        fill_lake(settings, bars)
        lake = wiring.lake(settings)
        found = search_for_settings(
            lake.event_files(),
            wiring.model_registry(settings),
            settings.training,
            folder or settings.data / "search",
            Limits(minutes, trials),
            clock=lambda: datetime.now(UTC),
            seconds=time.monotonic,
            progress=by_step(bars),
            placements=placement or (),
            also=model or (),
            since=in_utc(since) or BEGINNING,
            until=in_utc(until) or END,
            anew=anew,
            catalogue=CatalogueFiles(lake.files("products"), lake.files("taxonomy")),
            exposures=lake.files("exposures"),
        )
    output.result(_document(found), lambda console: _show(console, found))


def _document(found: "Found") -> dict[str, Any]:
    from dataclasses import asdict

    from training.search.document import changes

    models, blends = changes(found.judged.kept)
    return {
        "models": [asdict(each) for each in found.models],
        "blends": [asdict(each) for each in found.blends],
        "held_out": [_difference(each) for each in found.judged.differences],
        "others": [_difference(each) for each in found.judged.others],
        "file": found.file,
        "training": {"models": models, "blends": blends},
        "run": found.run,
    }


def _difference(found: "Difference") -> dict[str, Any]:
    return {
        "placement": found.placement,
        "ranked": found.ranked,
        "questions": found.questions,
        "metric": "ndcg_20",
        "in_force": found.in_force,
        "chosen": found.chosen,
        "difference": found.difference.value,
        "low": found.difference.low,
        "high": found.difference.high,
    }


def _show(console: "Console", found: "Found") -> None:
    from rich.table import Table

    inner = Table("earlier visits, NDCG@20", "asked as", "trials", "in force", "best")
    for each in [*found.models, *found.blends]:
        inner.add_row(each.name, each.placement, f"{each.trials:,}", f"{each.in_force:.4f}", f"{each.best:.4f}")
    console.print(inner)
    table = Table("latest visits, NDCG@20", "in force", "chosen", "difference", "95 % interval", "n")
    for found_there in found.judged.differences:
        table.add_row(*_row(found_there))
    for found_there in found.judged.others:
        table.add_row(f"{found_there.name}, with the better models", *_row(found_there)[1:])
    console.print(table)
    if found.file is not None:
        console.print(f"What proved better is in {found.file}; put it into shopfloor.toml and train:\n")
        console.print(found.file.read_text(), highlight=False)
    elif found.judged.harmed:
        names = ", ".join(each.name for each in found.judged.harmed)
        console.print(f"Nothing is kept: the better models make {names} surely worse.")
    else:
        console.print("Nothing is surely better than the settings in force. Search longer, or leave them.")


def _row(found: "Difference") -> tuple[str, ...]:
    interval = f"{found.difference.low:+.4f} … {found.difference.high:+.4f}"
    return (
        found.name,
        f"{found.in_force:.4f}",
        f"{found.chosen:.4f}",
        f"{found.difference.value:+.4f}",
        interval,
        f"{found.questions:,}",
    )
