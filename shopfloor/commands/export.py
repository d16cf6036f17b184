"""``shopfloor export``: data sets for people."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from shopfloor.commands.options import AsJson, Config, check_target, in_utc

PARQUET: Final = ".parquet"


def register(app: typer.Typer) -> None:
    export = typer.Typer(no_args_is_help=True, help="Write data sets that a data scientist can work with.")
    export.command("training-set")(training_set)
    app.add_typer(export, name="export")


def training_set(
    out: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    service: Annotated[str, typer.Option(help="The Feast feature service.")] = "ranker_v1",
    since: Annotated[datetime | None, typer.Option(help="First moment (UTC); default: 28 days before --until.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Moment after the last (UTC); default: now.")] = None,
    rows: Annotated[str, typer.Option(help="interactions, or exposures: what answers showed, with clicks.")] = (
        "interactions"
    ),
    most: Annotated[int, typer.Option(min=1, help="At most so many rows, the oldest.")] = 1_000_000,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Rows of customer, item, moment and label with every feature as it was known at that moment.

    Features come from the tables that `shopfloor materialize` made; run it first. What came with consent withheld is
    left out; bots are not.
    """
    from feature_repo.errors import BadInput
    from feature_repo.store import open_store
    from feature_repo.training_set import check_service
    from feature_repo.training_set import training_set as with_features
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training.training_rows import Rows, training_rows

    if rows not in list(Rows):
        raise BadInput(f"--rows {rows} is unknown; choose {' or '.join(Rows)}")
    if out.suffix.lower() != PARQUET:
        raise BadInput(f"OUT {out}: what is written is Parquet; give it a name like {out.stem or 'rows'}{PARQUET}")
    check_target("OUT", out)
    settings = LoadedSettings.read(config).settings
    output = Output(as_json)
    end = in_utc(until) or datetime.now(UTC)
    start = in_utc(since) or end - timedelta(days=28)
    store, _ = open_store(settings.online_address, settings.data)
    check_service(store, service)
    lake = wiring.lake(settings)
    with output.progress() as bars:
        step = bars.add_task("rows from the lake", total=3)
        frame = training_rows(Rows(rows), lake.event_files(), lake.files("exposures"), start, end, most)
        bars.update(step, completed=1, description="features of each moment")
        joined = with_features(store, frame, service)
        bars.update(step, completed=2, description="write")
        partial = out.with_name(f".{out.name}.partial")
        joined.to_parquet(partial, index=False)
        partial.replace(out)
        bars.update(step, completed=3, description="done")
    document = {"file": str(out), "rows": len(joined), "columns": list(joined.columns), "service": service}
    output.result(
        document, lambda console: console.print(f"{len(joined):,} rows with {joined.shape[1]} columns in {out}")
    )
