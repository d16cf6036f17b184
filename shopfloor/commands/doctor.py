"""``shopfloor doctor``: what is in force, from where, and whether each address answers."""

import typer

from shopfloor.commands.options import AsJson, Config


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Show what is set, from where, and whether each part answers."""
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings

    loaded = LoadedSettings.read(config)
    Output(as_json).result(loaded.settings.model_dump(mode="json"), lambda console: console.print(loaded))
