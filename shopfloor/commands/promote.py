"""``shopfloor promote``: a version becomes champion, if the gate lets it pass."""

from typing import Annotated

import typer

from shopfloor.commands.options import AsJson, Config

Version = Annotated[str, typer.Argument(help="A version's number, or `challenger`.")]
Force = Annotated[bool, typer.Option("--force", help="Pass the gate; needs --why, and both are recorded.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept with the champions' history.")]


def register(app: typer.Typer) -> None:
    app.command()(promote)


def promote(
    version: Version = "challenger", force: Force = False, why: Why = "", config: Config = None, as_json: AsJson = False
) -> None:
    """Make a version the champion; refused, with reasons, when it may be worse than the present one."""
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training import promotion
    from training.registry import CHAMPION

    settings = LoadedSettings.read(config).settings
    registry = wiring.model_registry(settings)
    before = registry.version_of(CHAMPION)
    champion = promotion.promote(registry, version, settings.training.margin, force, why)
    document = {"champion": champion, "before": before, "forced": force, "why": why}
    text = (
        f"Version {champion} was the champion already."
        if champion == before
        else f"Version {champion} is the champion now; before: {before or 'none'}."
    )
    Output(as_json).result(document, lambda console: console.print(text))
