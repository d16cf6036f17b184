"""``shopfloor rollback``: the champion before the present one answers again."""

import typer

from shopfloor.commands.options import AsJson, Config


def register(app: typer.Typer) -> None:
    app.command()(rollback)


def rollback(config: Config = None, as_json: AsJson = False) -> None:
    """Go back to the champion before the present one."""
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training.bundle_format import misfit
    from training.champions import CHAMPION, Champions
    from training.registry_store import registry_store

    # Not through wiring: what it imports for lake and log would take longer than the rollback.
    champions = Champions(registry_store(LoadedSettings.read(config).settings.models_address))
    before = champions.version_of(CHAMPION)
    champion = champions.rollback()
    stored = champions.stored(champion)
    problem = None if stored is None else misfit(stored)
    output = Output(as_json)
    if problem:
        output.note(f"watch: version {champion} cannot be read, so the service stays with what it has: {problem}")
    output.result(
        {"champion": champion, "before": before, "problem": problem},
        lambda console: console.print(f"Version {champion} is the champion again; before: {before or 'none'}."),
    )
