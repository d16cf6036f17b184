"""``shopfloor estimate``: what a version would have earned, from logged answers, before any customer sees it."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.options import AsJson, Config, in_utc

if TYPE_CHECKING:
    from rich.console import Console

    from training.off_policy import Estimates

Challenger = Annotated[str, typer.Option("--challenger", help="A version's number, or `challenger`.")]
AtPlacement = Annotated[str, typer.Option("--placement", help="home, email, buy-again or search-empty.")]
Rewarded = Annotated[str, typer.Option("--reward", help="What counts: click or purchase.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Only answers shown at or after this time (UTC).")]
Most = Annotated[int, typer.Option("--most", min=1, help="Look at a sample of this many answers at most.")]

NO_LOG = ""
"""Whose offsets the lake need not look up: the catalogue is read as it stands there."""
FIGURES = ("logged", "ips", "snips", "doubly_robust", "gain", "supported")


def register(app: typer.Typer) -> None:
    app.command()(estimate)


def estimate(
    challenger: Challenger = "challenger",
    placement: AtPlacement = "home",
    reward: Rewarded = "click",
    since: Since = None,
    most: Most = 20_000,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what a version would have earned an answer, from exposures and the events that name them.

    Needs answers that explored (serving.explore_share): without them only what both show alike can be compared.
    """
    import asyncio

    from feature_repo.errors import BadInput, NotFound
    from serving.hindsight import answers_of, catalogue_of
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training import off_policy
    from training.bundle import Bundle
    from training.dataset import BEGINNING
    from training.logged_answers import Reward, read_answers, read_histories
    from training.promotion import resolve

    if reward not in list(Reward):
        raise BadInput(f"--reward {reward!r} is no reward; known are {', '.join(Reward)}")
    settings = LoadedSettings.read(config).settings
    lake, registry = wiring.lake(settings), wiring.model_registry(settings)
    version = resolve(registry, challenger)
    bundle = Bundle.open(registry.fetch(version), version, registry.classes)
    after = in_utc(since) or BEGINNING
    events = lake.event_files()
    asked = read_answers(lake.files("exposures"), events, placement, Reward(reward), after, most) if events else []
    if not asked:
        raise NotFound(f"the lake holds no answers of placement {placement!r} since {after:%Y-%m-%d %H:%M} UTC")
    histories = read_histories(events, sorted({answer.customer_key for answer in asked}))
    catalogue = catalogue_of(lake.products(NO_LOG)[0], lake.categories(NO_LOG)[0])
    proposed = asyncio.run(answers_of(bundle, catalogue, placement, asked, histories, settings.serving))
    found = off_policy.estimate(off_policy.slots_of(asked, proposed), settings.training.seed)
    output = Output(as_json)
    for warning in found.warnings:
        output.note(f"warning: {warning}")
    output.result(_document(found, version, placement, reward), lambda console: _show(console, found, version, reward))


def _document(found: "Estimates", version: str, placement: str, reward: str) -> dict[str, Any]:
    told = {"version": version, "placement": placement, "reward": reward, "answers": found.answers}
    figures = {name: getattr(found, name)._asdict() for name in FIGURES}
    return told | {"effective": found.effective, "warnings": list(found.warnings), "figures": figures}


def _show(console: "Console", found: "Estimates", version: str, reward: str) -> None:
    from rich.table import Table

    table = Table(f"{reward}s an answer", "value", "95 % interval")
    names = ("as logged", f"version {version}: IPS", "SNIPS", "doubly robust", "doubly robust, over logged", "support")
    for name, figure in zip(names, (getattr(found, name) for name in FIGURES), strict=True):
        table.add_row(name, f"{figure.value:.4f}", f"{figure.low:.4f} … {figure.high:.4f}")
    console.print(table)
    console.print(
        f"From {found.answers:,} answers; their places are worth {found.effective:,.0f} of the version's own."
    )
