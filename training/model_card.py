"""The model card of a version: what it is, from which data, how well it does, for whom less so, and its limits.

After Mitchell et al., Model Cards for Model Reporting (2019). The job writes it, people read it; nothing depends on it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from training.bundle import Manifest
from training.evidence import Evidence
from training.holdout_evidence import LEAST_SESSIONS

CARD: Final = "model_card.md"
END: Final = (".low", ".high")
LEAST_LEARNT: Final = 1_000
"""A market with fewer interactions is named among the limits."""


def model_card(manifest: Manifest, left_out: Sequence[str]) -> str:
    """The card in markdown; ``left_out`` names customers that were taken for bots."""
    sections = [_data(manifest, left_out), _accuracy(manifest), _slices(manifest), _limits(manifest), _making(manifest)]
    lines = [f"# Shopfloor model, trained {manifest.created_at:%Y-%m-%d %H:%M} UTC", ""]
    for section in sections:
        lines += [*section, ""]
    return "\n".join(lines)


def _data(manifest: Manifest, left_out: Sequence[str]) -> Iterator[str]:
    window = manifest.window
    yield "## Data"
    yield f"- Window: {window.first_event:%Y-%m-%d %H:%M} to {window.last_event:%Y-%m-%d %H:%M} UTC"
    yield (
        f"- {window.interactions:,} interactions in {window.sessions:,} sessions of {window.users:,} customers "
        f"with {window.items:,} items"
        + (f", and {window.untouched_items:,} products that nobody had touched" if window.untouched_items else "")
    )
    if manifest.evidence is not None:
        for name, counts in (("Kinds", manifest.evidence.data.kinds), ("Markets", manifest.evidence.data.markets)):
            yield f"- {name}: " + ", ".join(f"{_cell(part)} {count:,}" for part, count in counts.items())
        yield from _shift(manifest.evidence)
    yield f"- Left out as bots: {len(left_out)}" + "".join(f"; {_cell(bot)}" for bot in left_out[:10])


def _shift(evidence: Evidence) -> Iterator[str]:
    if evidence.shift is None:
        return
    a_day, in_all = -evidence.shift.drop, -evidence.shift.fewer
    yield f"- Interactions against the champion's window: {a_day:+.0%} a day, {in_all:+.0%} in all"
    for name, psi in evidence.shift.psi.items():
        yield f"- Stability index of {name}: {psi:.3f} (most: {_cell(evidence.shift.moved[name])})"


def _accuracy(manifest: Manifest) -> Iterator[str]:
    metrics, evidence = manifest.metrics, manifest.evidence
    yield "## Accuracy"
    if evidence is None or not evidence.questions:
        yield "Not measured: the hold-out had no questions."
        return
    yield (
        f"The next click among 20, asked {evidence.questions:,} times in the latest sessions, all recipes fitted on "
        "what came before. `home` is this version's recipe; `over_` is the paired difference; intervals are of 95 %."
    )
    yield ""
    yield "| figure | value | low | high |"
    yield "|---|---|---|---|"
    for name, value in metrics.items():
        if not name.endswith(END) and f"{name}.low" in metrics:
            yield f"| {name} | {value:.4f} | {metrics[f'{name}.low']:.4f} | {metrics[f'{name}.high']:.4f} |"
    yield ""
    coverage, milliseconds = evidence.coverage or 0.0, evidence.proposal_ms or 0.0
    yield f"Shows {coverage:.1%} of the items; a proposal took {milliseconds:.2f} ms (median, one thread)."


def _slices(manifest: Manifest) -> Iterator[str]:
    evidence = manifest.evidence
    yield "## Slices"
    if evidence is not None and evidence.parts:
        yield "This version alone, asked the same questions as above."
        yield ""
        yield "| slice | questions | sessions | HR@20 | MRR@20 |"
        yield "|---|---|---|---|---|"
        for part in evidence.parts:
            figures = f"{part.questions:,} | {part.sessions:,} | {part.hr:.4f} | {part.mrr:.4f}"
            yield f"| {_cell(part.slice)} | {figures} |"
        yield ""
    if evidence is None or not evidence.slices:
        yield "Not compared: there was no champion, or no slice with enough sessions."
        return
    compared = manifest.settings.get("compared_with")
    yield f"Against champion {compared}, relative; the intervals hold for all slices together (95 %, Bonferroni)."
    yield ""
    yield "| slice | metric | questions | champion | this | difference | low | high |"
    yield "|---|---|---|---|---|---|---|---|"
    for figure in evidence.slices:
        yield (
            f"| {_cell(figure.slice)} | {figure.metric} | {figure.questions:,} | {figure.champion:.4f} "
            f"| {figure.challenger:.4f} | {figure.difference:+.1%} | {figure.low:+.1%} | {figure.high:+.1%} |"
        )


def _limits(manifest: Manifest) -> Iterator[str]:
    yield "## Limits"
    yield "- The figures say how often the list holds what a customer went to unaided; not what the list itself causes."
    yield "- The split is one moment of one window: a season that the window lacks was not seen."
    window = manifest.window
    yield (
        f"- It knows the {window.items:,} items of the window, and of {window.untouched_items:,} more what the "
        "catalogue said of them; newer ones come from the catalogue alone."
    )
    yield "- Customers are known by their latest interactions at the time of the question; nothing else is kept."
    if manifest.evidence is not None:
        yield from _weak_parts(manifest.evidence)


def _weak_parts(evidence: Evidence) -> Iterator[str]:
    """Where it does worst, and where too little was asked to know."""
    asked = [part for part in evidence.parts if part.sessions >= LEAST_SESSIONS]
    if asked:
        worst = min(asked, key=lambda part: part.hr)
        yield f"- It does worst in {_cell(worst.slice)}: HR@20 {worst.hr:.4f}."
    if thin := [part for part in evidence.parts if part.sessions < LEAST_SESSIONS]:
        few = ", ".join(f"{_cell(part.slice)} ({part.sessions})" for part in thin)
        yield f"- Too few sessions to say how it does, fewer than {LEAST_SESSIONS}: {few}."
    if few_data := [name for name, count in evidence.data.markets.items() if count < LEAST_LEARNT]:
        named = ", ".join(_cell(name) for name in few_data)
        yield f"- Fewer than {LEAST_LEARNT:,} interactions to learn from in: {named}."


def _making(manifest: Manifest) -> Iterator[str]:
    yield "## How it was made"
    yield f"- Models: {', '.join(manifest.models)}; rankers: {', '.join(manifest.rankers) or 'none'}"
    if manifest.started_from:
        begun = ", ".join(f"{name} with that of version {version}" for name, version in manifest.started_from.items())
        yield f"- Learning began anew but for {begun}"
    yield f"- Event contract {manifest.contract_version}, bundle format {manifest.format_version}"
    yield "- Settings: " + ", ".join(f"{name}={value}" for name, value in manifest.settings.items())
    yield "- Libraries: " + ", ".join(f"{name} {version}" for name, version in manifest.libraries.items())
    yield f"- Bundle: {sum(file.size for file in manifest.files.values()) / 1e6:,.1f} MB"


def _cell(text: str) -> str:
    """Ids and markets come from outside and may hold anything; here they must stay in their cell and line."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
