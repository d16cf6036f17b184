"""``shopfloor up``: the whole system as supervised processes."""

import typer

from shopfloor.commands.options import Config


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(config: Config = None) -> None:
    """Run API, stream workers and scheduled jobs together until stopped; run again, it goes on where it was."""
    import asyncio
    import os

    from shopfloor.claims import claimed_folder
    from shopfloor.commands.serve import listening
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from shopfloor.signals import log_to_stderr
    from shopfloor.system import run_system

    settings = LoadedSettings.read(config).settings
    log_to_stderr("up")
    with claimed_folder(settings.data):
        with listening(settings.host, settings.port) as probe:  # Conflict before anything starts
            settings = settings.model_copy(update={"port": probe.getsockname()[1]})
        asyncio.run(run_system(settings, config, os.environ, Output().note))
