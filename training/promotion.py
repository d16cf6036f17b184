"""The gate between a challenger and the champion's place."""

from feature_repo.errors import BadInput, NotFound, Refused
from training.bundle import Manifest
from training.holdout import K
from training.registry import CHALLENGER, CHAMPION, ModelRegistry

COMPARED_WITH = "compared_with"
"""The manifest's setting that names the champion a version was compared with when it was trained."""


def resolve(registry: ModelRegistry, version: str) -> str:
    """A version number as it is; ``challenger`` and ``champion`` as the versions they stand for."""
    if version not in (CHALLENGER, CHAMPION):
        return version
    resolved = registry.version_of(version)
    if resolved is None:
        raise NotFound(f"there is no {version} yet; `shopfloor train` makes one")
    return resolved


def objections(manifest: Manifest, champion: str, margin: float) -> list[str]:
    """Why a version should not replace the champion; empty when nothing speaks against it.

    Champion and challenger were compared on the same hold-out, both fitted on what came before it. The lower end of
    the difference's 95 % interval may not lie below minus ``margin``.
    """
    compared = manifest.settings.get(COMPARED_WITH)
    if compared != champion:
        against = f"champion {compared}" if compared else "no champion"
        return [f"it was compared with {against} when it was trained, the champion now is {champion}; train again"]
    figures = [f"over_champion.{metric}_{K}" for metric in ("hr", "mrr")]
    if any(f"{figure}.low" not in manifest.metrics for figure in figures):
        return ["its hold-out had no questions, so it was never compared; train on more data"]
    reasons = []
    for figure in figures:
        value, low, high = (manifest.metrics[figure + end] for end in ("", ".low", ".high"))
        if low < -margin:
            interval = f"95 % interval {low:+.4f} to {high:+.4f}"
            reasons.append(f"{figure} is {value:+.4f}, {interval}: it may lose more than {margin}")
    return reasons


def promote(registry: ModelRegistry, version: str, margin: float, force: bool = False, why: str = "") -> str:
    """Make ``version`` (a number or ``challenger``) champion and return its number; Refused with the gate's reasons.

    ``force`` passes the gate, needs ``why``, and both are recorded with the registry's champions.
    """
    if force and not why.strip():
        raise BadInput("--force needs --why TEXT: whoever reads the champions' history will want to know")
    version = resolve(registry, version)
    champion = registry.version_of(CHAMPION)
    if version == champion:
        return version
    manifest = registry.manifest(version)
    reasons = objections(manifest, champion, margin) if champion is not None else []
    if reasons and not force:
        raise Refused(f"version {version} is not promoted: {'; '.join(reasons)}", version=version, reasons=reasons)
    overruled = f" (against the gate: {'; '.join(reasons)})" if reasons else ""
    registry.promote(version, why + overruled)
    return version
