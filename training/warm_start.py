"""Warm start: models whose learning begins with chance go on from the champion's, so that lists keep still overnight.

Fitted anew each night, such a model gives equally good lists that hold other items: its own chance moved, not the
shop. Only what is served is begun so. What a version is compared by is fitted anew, for the champion has seen the days
that it is asked about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from training.bundle import Bundle
from training.candidates.candidate import CandidateModel, WarmStart
from training.interactions import Interactions, Ints
from training.model_settings import ModelSettings

MOST_NEW: Final = 0.1
"""Share of the interactions that the champion may not have learnt from; above it a few more steps do not catch up."""


@dataclass(frozen=True, slots=True)
class Predecessor:
    """What a training can go on from: models of the champion by name, and where they have each item, -1 where not."""

    version: str
    models: Mapping[str, WarmStart]
    place: Ints

    @classmethod
    def of(cls, champion: Bundle, settings: ModelSettings, interactions: Interactions) -> Self:
        """The champion's models that have the settings in force; none where too much is new to them."""
        models = _startable(champion, settings) if _mostly_known(champion, interactions) else {}
        place = np.array([champion.item_index.get(item, -1) for item in interactions.item_ids.tolist()], np.int32)
        return cls(champion.version, models, place)

    def refitted(self, name: str, interactions: Interactions, seed: int) -> CandidateModel:
        return self.models[name].refitted(interactions, self.place, seed)


def _startable(champion: Bundle, settings: ModelSettings) -> dict[str, WarmStart]:
    return {
        name: model
        for name, model in champion.models.items()
        if isinstance(model, WarmStart) and model.settings == settings.of_model(name)
    }


def _mostly_known(champion: Bundle, interactions: Interactions) -> bool:
    """Whether the champion learnt from most of them, by their times and, for a past imported since, by their number."""
    window = champion.manifest.window
    newer = int((interactions.time > window.last_event.timestamp()).sum())
    return max(newer, len(interactions) - window.interactions) <= MOST_NEW * len(interactions)
