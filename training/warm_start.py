"""Warm start: models whose learning begins with chance go on from the champion's, so that lists keep still overnight.

Fitted anew each night, such a model gives equally good lists that hold other items: its own chance moved, not the
shop. Only what is served is begun so. What a version is compared by is fitted anew, for the champion has seen the days
that it is asked about.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np

from training.arrays import read_array
from training.bundle import DataWindow, Manifest
from training.candidates.candidate import CandidateModel, WarmStart
from training.interactions import Interactions, Ints
from training.model_settings import ModelSettings

logger = logging.getLogger(__name__)

MOST_NEW: Final = 0.1
"""Share of the interactions that the champion may not have learnt from; above it a few more steps do not catch up."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What a training can go on from: models of the champion by name, and where they have each item, -1 where not."""

    version: str
    models: Mapping[str, WarmStart]
    place: Ints

    @classmethod
    def of(
        cls,
        folder: Path,
        version: str,
        manifest: Manifest,
        settings: ModelSettings,
        interactions: Interactions,
    ) -> Self:
        """The models of the bundle in ``folder`` that have the settings in force; none where too much is new to them.

        Raises Corrupt when the bundle lacks its vocabulary.
        """
        models = {}
        if _mostly_known(manifest.window, interactions):
            loaded = ((name, _loaded(folder, name, settings)) for name in manifest.models)
            models = {name: model for name, model in loaded if model is not None}
        where = {item: index for index, item in enumerate(read_array(folder, "item_ids", np.str_).tolist())}
        place = np.array([where.get(item, -1) for item in interactions.item_ids.tolist()], np.int32)
        return cls(version, models, place)

    def refitted(self, name: str, interactions: Interactions, seed: int) -> CandidateModel:
        return self.models[name].refitted(interactions, self.place, seed)


def _loaded(folder: Path, name: str, settings: ModelSettings) -> WarmStart | None:
    """The model, where it can be gone on from; only such are read."""
    kind = settings.classes.get(name)
    if kind is None or not hasattr(kind, "refitted"):
        return None
    try:
        model = kind.load(folder / "models" / name)
    except (
        Exception
    ) as error:  # a shop's own model may fail in any way, and one of other settings is not of this program
        logger.warning("%s is fitted anew: the champion's cannot be read: %s", name, error)
        return None
    return model if isinstance(model, WarmStart) and model.settings == settings.of_model(name) else None


def _mostly_known(window: DataWindow, interactions: Interactions) -> bool:
    """Whether the champion learnt from most of them, by their times and, for a past imported since, by their number."""
    newer = int((interactions.time > window.last_event.timestamp()).sum())
    return max(newer, len(interactions) - window.interactions) <= MOST_NEW * len(interactions)
