"""``shopfloor rollback``: the champion before the present one answers again."""

import typer

from shopfloor.commands.options import AsJson, Config


def register(app: typer.Typer) -> None:
    app.command()(rollback)


def rollback(config: Config = None, as_json: AsJson = False) -> None:
    """Go back to the champion before the present one."""
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training.registry import CHAMPION

    registry = wiring.model_registry(LoadedSettings.read(config).settings)
    before = registry.version_of(CHAMPION)
    champion = registry.rollback()
    Output(as_json).result(
        {"champion": champion, "before": before},
        lambda console: console.print(f"Version {champion} is the champion again; before: {before}."),
    )
