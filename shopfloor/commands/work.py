"""``shopfloor work``: one member of a consumer group of the log."""

from enum import StrEnum
from typing import Annotated

import typer

from shopfloor.commands.options import Config


class Group(StrEnum):
    FEATURES = "features"
    LAKE = "lake"


def register(app: typer.Typer) -> None:
    app.command()(work)


def work(
    group: Annotated[Group, typer.Option(help="features: what customers did lately; lake: everything, for analysis.")],
    config: Config = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this loopback port instead of the one set."),
    ] = None,
) -> None:
    """Read the log into online features or into the lake until stopped; several may share the work."""
    import asyncio

    from shopfloor import wiring
    from shopfloor.settings import LoadedSettings
    from shopfloor.signals import log_to_stderr, until_stopped

    log_to_stderr(f"work {group}")
    settings = LoadedSettings.read(config).settings
    worker = wiring.run_features_worker if group is Group.FEATURES else wiring.run_lake_worker
    asyncio.run(until_stopped(lambda stop: worker(settings, stop, metrics_port)))
