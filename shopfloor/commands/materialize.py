"""``shopfloor materialize``: feature tables from the lake, and the newest of them into the online store."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from shopfloor.commands.filling import fill_lake
from shopfloor.commands.options import AsJson, Config, in_utc

Since = Annotated[
    datetime | None,
    typer.Option("--since", help="Write online only what became known after this time (UTC); default: everything."),
]


def register(app: typer.Typer) -> None:
    app.command()(materialize)


def materialize(since: Since = None, config: Config = None, as_json: AsJson = False) -> None:
    """Compute the batch features from the lake and bring the online store up to date. Safe to repeat."""
    from feature_repo.batch import EVER, LakeFiles
    from feature_repo.materialization import materialize as run
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    with output.progress() as bars:
        fill_lake(settings, bars)
        lake = wiring.lake(settings)
        files = LakeFiles(lake.event_files(), lake.files("products"))
        tasks: dict[str, Any] = {}

        def show(step: str, done: int, total: int) -> None:
            bar = "compute" if step.startswith("compute") else step
            if bar not in tasks:
                tasks[bar] = bars.add_task(step, total=total)
            bars.update(tasks[bar], description=step, completed=done)

        rows = run(
            files,
            settings.online_address,
            settings.data,
            now=datetime.now(UTC),
            since=in_utc(since) or EVER,
            progress=show,
        )
    output.result(rows, lambda console: console.print(_summary(rows)))


def _summary(rows: dict[str, dict[str, int]]) -> str:
    online = rows["online"]
    lines = [
        f"{view}: {count:,} rows" + (f", {online[view]:,} online" if view in online else ", online by the stream")
        for view, count in rows["tables"].items()
    ]
    return "\n".join(lines)
