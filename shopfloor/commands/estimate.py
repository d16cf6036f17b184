"""``shopfloor estimate``: what a version would have earned, from logged answers, before any customer sees it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shopfloor.commands.options import AsJson, Config, in_utc

if TYPE_CHECKING:
    from rich.console import Console

    from training.logged_answers import Log
    from training.off_policy import Estimates

Challenger = Annotated[str, typer.Option("--challenger", help="A version's number, or `challenger`.")]
AtPlacement = Annotated[str, typer.Option("--placement", help="home, email, buy-again or search-empty.")]
Rewarded = Annotated[str, typer.Option("--reward", help="What counts: click or purchase.")]
Since = Annotated[datetime | None, typer.Option("--since", help="Only answers shown at or after this time (UTC).")]
Most = Annotated[int, typer.Option("--most", min=1, help="Look at a sample of this many answers at most.")]

NO_LOG = ""
"""Whose offsets the lake need not look up: the catalogue is read as it stands there."""
FIGURES = ("logged", "ips", "snips", "doubly_robust", "gain", "supported")


@dataclass(frozen=True, slots=True)
class _Finding:
    """What the command tells."""

    version: str
    placement: str
    reward: str
    found: "Estimates"
    log: "Log"
    learnt_until: datetime
    """The last event that the version learnt from, UTC."""
    learnt_from: int
    """Answers that were shown by then: what followed them may be what the version learnt."""

    @property
    def warnings(self) -> list[str]:
        return [*self._flattered(), *self.found.warnings]

    def _flattered(self) -> Iterator[str]:
        if self.learnt_from:
            since = self.learnt_until + timedelta(seconds=1)
            yield (
                f"{self.learnt_from:,} of the {self.found.answers:,} answers were shown before the data that version "
                f"{self.version} learnt from end, at {self.learnt_until:%Y-%m-%d %H:%M:%S} UTC: it may have learnt "
                f"what followed them, which flatters it; leave them out with --since {since:%Y-%m-%dT%H:%M:%S}"
            )


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
    from serving.hindsight import answers_of, catalogue_of, check_placement
    from shopfloor import wiring
    from shopfloor.output import Output
    from shopfloor.settings import LoadedSettings
    from training import off_policy
    from training.bundle import Bundle
    from training.dataset import BEGINNING
    from training.logged_answers import Log, Reward, read_answers, read_histories, shown_by
    from training.promotion import resolve

    if reward not in list(Reward):
        raise BadInput(f"--reward {reward!r} is no reward; known are {', '.join(Reward)}")
    check_placement(placement)
    settings = LoadedSettings.read(config).settings
    lake, registry = wiring.lake(settings), wiring.model_registry(settings)
    version = resolve(registry, challenger)
    bundle = Bundle.open(registry.fetch(version), version, registry.classes)
    after = in_utc(since) or BEGINNING
    events = lake.event_files()
    log = (
        read_answers(lake.files("exposures"), events, placement, Reward(reward), after, most)
        if events
        else Log([], 0, 0)
    )
    asked = log.answers
    if not asked:
        nothing = f"the lake holds no answers of placement {placement!r} since {after:%Y-%m-%d %H:%M} UTC to judge by"
        raise NotFound("; ".join([nothing, *_left_out(log)]))
    histories = read_histories(events, sorted({answer.customer_key for answer in asked}))
    catalogue = catalogue_of(lake.products(NO_LOG)[0], lake.categories(NO_LOG)[0])
    proposed = asyncio.run(answers_of(bundle, catalogue, placement, asked, histories, settings.serving))
    found = off_policy.estimate(off_policy.slots_of(asked, proposed), settings.training.seed)
    learnt_until = bundle.manifest.window.last_event
    finding = _Finding(version, placement, reward, found, log, learnt_until, shown_by(asked, learnt_until))
    output = Output(as_json)
    for warning in finding.warnings:
        output.note(f"warning: {warning}")
    for left_out in _left_out(log):
        output.note(left_out)
    output.result(_document(finding), lambda console: _show(console, finding))


def _left_out(log: "Log") -> Iterator[str]:
    if log.asked_with_more:
        yield (
            f"{log.asked_with_more:,} answers are left out: they were asked with items or filters, "
            "which exposures do not keep"
        )
    if log.impossible:
        yield f"{log.impossible:,} answers are left out: a propensity in them is no probability above 0"


def _document(finding: _Finding) -> dict[str, Any]:
    found, log = finding.found, finding.log
    return {
        "version": finding.version,
        "placement": finding.placement,
        "reward": finding.reward,
        "answers": found.answers,
        "left_out": {"asked_with_more": log.asked_with_more, "impossible": log.impossible},
        "learnt": {"until": finding.learnt_until.isoformat(), "answers": finding.learnt_from},
        "effective": found.effective,
        "effective_rewards": found.effective_rewards,
        "warnings": finding.warnings,
        "figures": {name: getattr(found, name)._asdict() for name in FIGURES},
    }


def _show(console: "Console", finding: _Finding) -> None:
    from rich.table import Table

    found, version = finding.found, finding.version
    table = Table(f"{finding.reward}s an answer", "value", "95 % interval")
    names = ("as logged", f"version {version}: IPS", "SNIPS", "doubly robust", "doubly robust, over logged", "support")
    for name, figure in zip(names, (getattr(found, name) for name in FIGURES), strict=True):
        table.add_row(name, f"{figure.value:.4f}", f"{figure.low:.4f} … {figure.high:.4f}")
    console.print(table)
    console.print(
        f"From {found.answers:,} answers; their places are worth {found.effective:,.0f} of the version's own, "
        f"with {found.effective_rewards:,.1f} rewards."
    )
