"""``shopfloor demo``: the whole way, shown on a simulated shop."""

from pathlib import Path
from typing import Annotated

import typer

from shopfloor.commands.options import AsJson

DEFAULT_PORT = 8000


def register(app: typer.Typer) -> None:
    app.command()(demo)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop after printing, instead of serving until Ctrl-C.")] = False,
    port: Annotated[
        int | None, typer.Option(help="Port of the API; default: the settings', else 8000 or, if taken, any other.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed is another shop.")] = 42,
    scale: Annotated[float, typer.Option(min=0.02, max=20, help="1: 2,000 products, 3,000 customers.")] = 1.0,
    data: Annotated[Path | None, typer.Option(help="Folder, made afresh; default: demo in the data folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a shop, send its events through, train, serve, and watch a recommendation change with three clicks.

    Each demo starts afresh in its own folder. To go on with the last one: shopfloor up --config FOLDER/shopfloor.toml
    """
    import asyncio
    import os

    from shopfloor.claims import claimed_folder
    from shopfloor.demo.folder import check_ours, made_afresh
    from shopfloor.demo.show import show
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from shopfloor.signals import until_stopped

    loaded = LoadedSettings.read()
    folder = (data or loaded.settings.data / "demo").absolute()
    if port is None and loaded.sources["port"] != "default":
        port = loaded.settings.port
    check_ours(folder)
    with claimed_folder(folder):
        config = made_afresh(folder, _free(port))
        output = Output(as_json)
        asyncio.run(until_stopped(lambda stop: show(config, seed, scale, once, output, os.environ, stop)))


def _free(port: int | None) -> int:
    """The port that was asked for, Conflict when it is taken; else 8000 or, where that is taken, any other."""
    from feature_repo.errors import Conflict
    from shopfloor.commands.serve import listening

    for candidate in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            with listening("127.0.0.1", candidate) as probe:
                return int(probe.getsockname()[1])
        except Conflict:
            if port is not None:
                raise
    raise Conflict("no port of 127.0.0.1 is free")
