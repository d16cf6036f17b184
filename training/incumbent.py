"""The incumbent: the champion as a training meets it, which its version is compared with and may go on from."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from feature_repo.errors import Corrupt, Misconfigured, NotFound
from training.arrays import read_array
from training.bundle import ITEM_COUNTS, Manifest
from training.champions import CHAMPION
from training.data_checks import DataShift, shift_between
from training.fitting import told_apart
from training.interactions import Interactions
from training.model_settings import ModelSettings
from training.registry import ModelRegistry
from training.rehearsal import Standing
from training.settings import TrainingSettings
from training.warm_start import Predecessor


@dataclass(frozen=True, slots=True)
class Incumbent:
    """``version`` is None in a shop without a champion; the rest also where the champion cannot be read."""

    version: str | None
    theirs: ModelSettings
    """The settings of its models; those in force where they are not known."""
    standing: Standing | None = None
    """What it answers with."""
    shift: DataShift | None = None
    """How the data differ from those that it learnt from."""
    predecessor: Predecessor | None = None
    """What can be gone on from."""

    @classmethod
    def of(
        cls, registry: ModelRegistry, settings: TrainingSettings, in_force: ModelSettings, interactions: Interactions
    ) -> Self:
        version = registry.version_of(CHAMPION)
        if version is None:
            return cls(None, in_force)
        with suppress(Corrupt, NotFound):
            folder, manifest = registry.fetch(version), registry.manifest(version)
            theirs = _settings_of(manifest, settings, in_force)
            blends = {
                placement: {told_apart(name, in_force, theirs): weight for name, weight in weights.items()}
                for placement, weights in manifest.blends.items()
            }
            return cls(
                version,
                theirs,
                Standing(blends, manifest.rankers),
                _shift(folder, manifest, interactions),
                Predecessor.of(folder, version, manifest, in_force, interactions) if settings.warm_start else None,
            )
        return cls(version, in_force)


def _settings_of(manifest: Manifest, settings: TrainingSettings, in_force: ModelSettings) -> ModelSettings:
    with suppress(Misconfigured):  # a setting that this program no longer has
        told = {"models": manifest.settings.get("models", {}), "blends": {}}
        return ModelSettings.of(settings.model_copy(update=told))
    return in_force


def _shift(folder: Path, manifest: Manifest, interactions: Interactions) -> DataShift | None:
    if manifest.evidence is None or f"{ITEM_COUNTS}.npy" not in manifest.files:
        return None
    item_ids, counts = read_array(folder, "item_ids", np.str_), read_array(folder, ITEM_COUNTS, np.int64)
    return shift_between(manifest.evidence.data, item_ids, counts, interactions)
