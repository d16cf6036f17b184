"""Models fitted by name: with the settings in force, as the champion has them, or going on from the champion's."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from training.candidates.candidate import CandidateModel
from training.interactions import Interactions
from training.model_settings import ModelSettings
from training.warm_start import Predecessor

THEIRS: Final = " of the champion"
"""Ends the name of a model that the champion has with other settings."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Fits models by name, with the shop's settings; those that the champion has otherwise, with the champion's."""

    settings: ModelSettings
    theirs: ModelSettings
    seed: int
    predecessor: Predecessor | None = None
    """Whose models are gone on from; None: all are fitted anew."""

    def __call__(
        self, interactions: Interactions, names: Collection[str], told: Callable[[int], None] = lambda n: None
    ) -> dict[str, CandidateModel]:
        from threadpoolctl import threadpool_limits

        models: dict[str, CandidateModel] = {}
        classes = self.settings.classes
        # More BLAS threads than one only get into the way of the models' own.
        with threadpool_limits(1, "blas"):
            for done, name in enumerate(each for base in classes for each in (base, base + THEIRS) if each in names):
                told(done)
                models[name] = self._fitted(name, interactions)
        return models

    def started_from(self, names: Collection[str]) -> dict[str, str]:
        """Of these models those that go on from the predecessor's, with its version."""
        before = self.predecessor
        return {} if before is None else {name: before.version for name in names if name in before.models}

    def _fitted(self, name: str, interactions: Interactions) -> CandidateModel:
        if self.predecessor is not None and name in self.predecessor.models:
            return self.predecessor.refitted(name, interactions, self.seed)
        settings = self.theirs if name.endswith(THEIRS) else self.settings
        return settings.fit(name.removesuffix(THEIRS), interactions, self.seed)


def told_apart(name: str, in_force: ModelSettings, theirs: ModelSettings) -> str:
    """The name of the champion's model: its own where its settings are not those in force."""
    return name if in_force.values(name) == theirs.values(name) else name + THEIRS
