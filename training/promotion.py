"""The gate between a challenger and the champion's place.

It judges what the training measured and the manifest keeps, so it asks no model anything.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from feature_repo.errors import BadInput, NotFound, Refused
from training.bundle import Manifest
from training.evidence import Evidence
from training.holdout import K
from training.registry import CHALLENGER, CHAMPION, ModelRegistry
from training.settings import GateSettings

MOST_EARLIER: Final = 3_600
"""Seconds before the champion's that data may end: its last events may have been those of somebody now left out."""
COMPARED_WITH: Final = "compared_with"
"""The manifest's setting that names the champion a version was compared with when it was trained."""
METRICS: Final = (f"hr_{K}", f"mrr_{K}")
ORDER_METRICS: Final = (f"recall_{K}", f"ndcg_{K}")
POPULAR: Final = "popular"


class Objection(NamedTuple):
    """One reason against a version: which check, in words, and the numbers behind them."""

    check: str
    """``comparison``, ``difference``, ``orders``, ``slice``, ``coverage``, ``latency``, ``size``, ``drop``, ``older``
    or ``shift``."""
    reason: str
    figures: dict[str, Any]

    def document(self) -> dict[str, Any]:
        return self._asdict()


def resolve(registry: ModelRegistry, version: str) -> str:
    """A version number as it is; ``challenger`` and ``champion`` as the versions they stand for."""
    if version not in (CHALLENGER, CHAMPION):
        return version
    resolved = registry.version_of(version)
    if resolved is None:
        raise NotFound(f"there is no {version} yet; `shopfloor train` makes one")
    return resolved


def objections(manifest: Manifest, champion: str, margin: float, gate: GateSettings) -> list[Objection]:
    """Why a version should not replace the champion; empty when nothing speaks against it.

    The difference's 95 % interval may not reach below minus ``margin``; at a margin of 0 it has to lie above zero.
    Popularity, in MRR and at a margin of 0, stands in place of a champion that could not be read when the version was
    trained.
    """
    compared = manifest.settings.get(COMPARED_WITH)
    evidence = manifest.evidence
    if compared != champion:
        against = f"champion {compared}" if compared else "no champion"
        reason = f"it was compared with {against} when it was trained, the champion now is {champion}; train again"
        figures = {"compared_with": compared, "champion": champion}
        # What it measured against another champion says nothing about this one; its own time and size still do.
        return [Objection("comparison", reason, figures), *_budgets(manifest, evidence, gate)]
    return [
        *_compared(manifest, margin),
        *_orders(manifest.metrics, gate),
        *_slices(evidence, gate),
        *_coverage(evidence, gate),
        *_budgets(manifest, evidence, gate),
        *_data(manifest, gate),
    ]


def promote(
    registry: ModelRegistry,
    version: str,
    margin: float,
    gate: GateSettings,
    force: bool = False,
    why: str = "",
) -> str:
    """Make ``version`` (a number or ``challenger``) champion and return its number; Refused with the gate's reasons.

    ``force`` passes the gate and needs ``why``; both, and what was overruled, are recorded with the registry's
    champions and as tags of the version. Nothing happens, and nothing is recorded, when it is the champion already.
    """
    if force and not why.strip():
        raise BadInput("--force needs --why TEXT: whoever reads the champions' history will want to know")
    version = resolve(registry, version)
    champion = registry.version_of(CHAMPION)
    if version == champion:
        return version
    manifest = registry.manifest(version)
    standing = champion or _deleted_champion(registry, manifest)
    found = objections(manifest, standing, margin, gate) if standing is not None else []
    reasons = [objection.reason for objection in found]
    if found and not force:
        documents = [objection.document() for objection in found]
        raise Refused(f"version {version} is not promoted: {'; '.join(reasons)}", version=version, reasons=documents)
    registry.promote(version, why, reasons if force else None)
    return version


def doubts(manifest: Manifest, gate: GateSettings) -> list[str]:
    """Slices that may have lost more than the gate allows, but about which the hold-out is too small to be sure."""
    figures = manifest.evidence.slices if manifest.evidence else ()
    return [
        f"{figure.slice}: {figure.metric} {figure.difference:+.1%}, interval {figure.low:+.1%} to {figure.high:+.1%}"
        for figure in figures
        if figure.difference < -gate.slice_loss <= figure.high
    ]


def _deleted_champion(registry: ModelRegistry, manifest: Manifest) -> str | None:
    """The last champion, where somebody deleted it and the version was compared with it: what was measured holds."""
    history = registry.champions()
    last = history[-1].version if history else None
    return last if last == manifest.settings.get(COMPARED_WITH) else None


def _compared(manifest: Manifest, margin: float) -> Iterator[Objection]:
    """Whether it proposes what customers go to as well as the champion does."""
    if _champion_was_unreadable(manifest.metrics):
        # Nobody can be answered by it either: what is surely better than popularity may take its place.
        yield from _differences(manifest.metrics, POPULAR, 0.0, METRICS[-1:])
    elif any(f"over_{CHAMPION}.{metric}.low" not in manifest.metrics for metric in METRICS):
        reason = "its hold-out had no questions, so it was never compared; train on more data"
        yield Objection("comparison", reason, {"compared_with": manifest.settings.get(COMPARED_WITH)})
    else:
        yield from _differences(manifest.metrics, CHAMPION, margin)


def _champion_was_unreadable(metrics: dict[str, float]) -> bool:
    """Whether there was a comparison, but none with the champion: an older contract's, or one whose files are gone."""
    compared = {name.partition(".")[0] for name in metrics if name.startswith("over_")}
    return f"over_{POPULAR}" in compared and f"over_{CHAMPION}" not in compared


def _differences(
    metrics: dict[str, float], other: str, margin: float, judged: Sequence[str] = METRICS
) -> Iterator[Objection]:
    for metric in judged:
        name = f"over_{other}.{metric}"
        value, low, high = (metrics[name + end] for end in ("", ".low", ".high"))
        if low > 0 or (margin and low >= -margin):
            continue
        interval = f"{name} is {value:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
        told = f"it may lose more than {margin:g}" if margin else "it is not surely better"
        figures = {"metric": metric, "value": value, "low": low, "high": high, "margin": margin}
        yield Objection("difference", f"{interval}: {told}", figures)


def _orders(metrics: dict[str, float], gate: GateSettings) -> Iterator[Objection]:
    """Next orders of customers who come back, which few of the questions are about, must not be surely worse."""
    for metric in ORDER_METRICS:
        name = f"over_{CHAMPION}.{metric}"
        if name not in metrics:
            continue
        value, low, high = (metrics[name + end] for end in ("", ".low", ".high"))
        if high < -gate.slice_loss * metrics[f"{CHAMPION}.{metric}"]:
            reason = f"next orders are foretold worse: {name} is {value:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
            yield Objection("orders", reason, {"metric": metric, "value": value, "low": low, "high": high})


def _slices(evidence: Evidence | None, gate: GateSettings) -> Iterator[Objection]:
    """A slice is worse when its whole interval, widened for the number of slices, lies below what may be lost."""
    for figure in evidence.slices if evidence else ():
        if figure.high < -gate.slice_loss:
            reason = (
                f"slice {figure.slice} is worse: {figure.metric} {figure.challenger:.4f} instead of "
                f"{figure.champion:.4f}, {figure.difference:+.1%}, interval {figure.low:+.1%} to {figure.high:+.1%}, "
                f"{figure.questions:,} questions"
            )
            yield Objection("slice", reason, figure.model_dump())


def _coverage(evidence: Evidence | None, gate: GateSettings) -> Iterator[Objection]:
    ours, theirs = (evidence.coverage, evidence.champion_coverage) if evidence else (None, None)
    if ours is not None and theirs is not None and ours < gate.least_coverage * theirs:
        reason = (
            f"it shows {ours:.1%} of the items, the champion {theirs:.1%}: less than {gate.least_coverage:.0%} of that"
        )
        yield Objection("coverage", reason, {"coverage": ours, "champion": theirs, "least": gate.least_coverage})


def _budgets(manifest: Manifest, evidence: Evidence | None, gate: GateSettings) -> Iterator[Objection]:
    if evidence and evidence.proposal_ms is not None and evidence.proposal_ms > gate.most_proposal_ms:
        reason = f"a proposal takes {evidence.proposal_ms:.1f} ms, the budget is {gate.most_proposal_ms:g} ms"
        yield Objection("latency", reason, {"proposal_ms": evidence.proposal_ms, "most": gate.most_proposal_ms})
    megabytes = sum(file.size for file in manifest.files.values()) / 1e6
    if megabytes > gate.most_bundle_mb:
        reason = f"its bundle has {megabytes:,.0f} MB, the budget is {gate.most_bundle_mb:,.0f} MB"
        yield Objection("size", reason, {"bundle_mb": megabytes, "most": gate.most_bundle_mb})


def _data(manifest: Manifest, gate: GateSettings) -> Iterator[Objection]:
    """Both recipes are fitted on the version's own data to be compared, so no comparison sees that these are poor."""
    evidence = manifest.evidence
    if evidence is None or evidence.shift is None:
        return
    shift, data = evidence.shift, evidence.data
    window = f"{_utc(data.first):%Y-%m-%d} to {_utc(data.last):%Y-%m-%d}"
    drop = {"drop": shift.drop, "fewer": shift.fewer, "interactions": data.interactions, "most": gate.most_drop}
    if shift.drop > gate.most_drop:
        reason = f"its data ({window}) lack events: {shift.drop:.0%} fewer interactions a day than the champion's"
        yield Objection("drop", reason, drop)
    elif shift.fewer > gate.most_drop:
        days = manifest.settings.get("window_days")
        longer = f" and with training.window_days above {days:g}" if days else ""
        reason = (
            f"it learnt from {data.interactions:,} interactions ({window}), {shift.fewer:.0%} fewer than the champion: "
            f"train without --since and --until{longer}; {_MEANT}"
        )
        yield Objection("drop", reason, drop)
    if shift.earlier_seconds > MOST_EARLIER:
        ends, theirs = (f"{_utc(last):%Y-%m-%d %H:%M}" for last in (data.last, data.last + shift.earlier_seconds))
        reason = f"its data end at {ends}, the champion's at {theirs} (UTC): train without --until; {_MEANT}"
        yield Objection("older", reason, {"last": ends, "champion_last": theirs})
    for name, psi in shift.psi.items():
        if psi > gate.most_shift:
            reason = f"{name} shifted, stability index {psi:.2f} above {gate.most_shift:g}: {shift.moved[name]}"
            yield Objection("shift", reason, {"of": name, "psi": psi, "most": gate.most_shift})


_MEANT: Final = "if it is meant to be so, promote with --force --why TEXT"


def _utc(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
