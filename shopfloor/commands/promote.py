"""``shopfloor promote``: a version becomes champion, if the gate lets it pass."""

from typing import Annotated

import typer

from shopfloor.commands.options import AsJson, Config

Version = Annotated[str, typer.Argument(help="A version's number, or `challenger`.")]
Force = Annotated[bool, typer.Option("--force", help="Pass the gate; needs --why, and both are recorded.")]
Why = Annotated[str, typer.Option("--why", help="The reason, kept with the champions' history.")]

Margin = Annotated[
    float | None,
    typer.Option(
        "--margin",
        min=0,
        help="What it may lose in HR@20 and MRR@20; 0: it must be surely better. [default: training.margin]",
    ),
]


def register(app: typer.Typer) -> None:
    app.command()(promote)


def promote(
    version: Version = "challenger",
    margin: Margin = None,
    force: Force = False,
    why: Why = "",
    config: Config = None,
    as_json: AsJson = False,
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
    training = settings.training
    margin = training.margin if margin is None else margin
    champion = promotion.promote(registry, version, margin, training.gate, force, why)
    changed = champion != before
    doubts = promotion.doubts(registry.manifest(champion), training.gate) if changed else []
    document = {
        "champion": champion,
        "before": before,
        "changed": changed,
        "forced": force and changed,
        "why": why if changed else "",
        "doubts": doubts,
    }
    text = (
        f"Version {champion} is the champion now; before: {before or 'none'}."
        if changed
        else f"Version {champion} is the champion already: nothing was done, nothing recorded."
    )
    output = Output(as_json)
    for doubt in doubts:
        output.note(f"watch, too few questions to be sure: {doubt}")
    output.result(document, lambda console: console.print(text))
