"""``shopfloor maintain``: keeps the log and the lake small."""

import typer

from shopfloor.commands.options import AsJson, Config


def register(app: typer.Typer) -> None:
    app.command()(maintain)


def maintain(config: Config = None, as_json: AsJson = False) -> None:
    """Prune the embedded log of what both groups have read, and merge the lake's small files. Safe to repeat."""
    import asyncio

    from ingestion.contracts.tables import TABLES
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    settings = LoadedSettings.read(config).settings
    output = Output(as_json)

    async def prune() -> dict[str, int]:
        async with wiring.event_log(settings, "maintain") as log:
            return dict(await log.prune(settings.stream.log_keep_hours))

    pruned = asyncio.run(prune())
    lake = wiring.lake(settings)
    with output.progress() as bars:
        merged = [table for table in bars.track(TABLES, description="merge small files") if lake.compact(table)]
    output.result(
        {"pruned": pruned, "merged": merged},
        lambda console: console.print(
            f"log: {sum(pruned.values()):,} records pruned; lake: {', '.join(merged) or 'nothing'} merged"
        ),
    )
