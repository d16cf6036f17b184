"""Follows the champion: a new version is fetched, checked and warmed aside, then takes over between two requests.

A version that is corrupt or cannot answer is refused; the one in use stays. The one before is kept as well, so that
a rollback swaps at once.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt, TryLater, told
from serving.catalogue import Alignment, Catalogue
from serving.drift import Drift
from serving.metrics import Metrics
from serving.settings import ServingSettings
from training.blend import propose
from training.bundle import Bundle
from training.candidates.candidate import CandidateModel
from training.interactions import History

CHAMPION: Final = "champion"
RETRY_REFUSED_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Registry(Protocol):
    """What the service needs of the model registry (``training/registry.py``). Calls may take long and may raise."""

    def version_of(self, alias: str) -> str | None: ...

    def fetch(self, version: str) -> Path: ...

    @property
    def classes(self) -> Mapping[str, type[CandidateModel]]:
        """The models that a version may name."""
        ...


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A bundle, where its items stand in the catalogue, and what it counts of its answers."""

    bundle: Bundle
    alignment: Alignment
    drift: Drift = field(default_factory=Drift)


class ModelSlot:
    """The model that answers. A request takes ``current`` once and keeps it to its end."""

    def __init__(self) -> None:
        self.current: ServedModel | None = None
        self.previous: ServedModel | None = None
        self.problem: str | None = None
        """Why the champion is not the model in use; None when it is, or when there is none yet."""
        self.looked = asyncio.Event()
        """Set once the registry answered, or failed to, for the first time."""

    def take_over(self, model: ServedModel) -> None:
        self.previous, self.current = self.current, model

    def held(self, version: str) -> ServedModel | None:
        kept = (self.current, self.previous)
        return next((model for model in kept if model is not None and model.bundle.version == version), None)


class ModelFollower:
    def __init__(
        self, registry: Registry, slot: ModelSlot, catalogue: Catalogue, settings: ServingSettings, metrics: Metrics
    ) -> None:
        self._registry = registry
        self._slot = slot
        self._catalogue = catalogue
        self._poll_seconds = settings.model_poll_seconds
        self._most_drift = settings.most_drift
        self._metrics = metrics
        self._refused: str | None = None
        self._refused_rounds = 0

    async def run(self) -> None:
        """Look for a new champion until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._poll_seconds)

    async def look(self) -> None:
        """Take the champion over if it is not the model in use already."""
        slot = self._slot
        try:
            version = await asyncio.to_thread(self._registry.version_of, CHAMPION)
            if version is None:
                self._without_champion()
                return
            if not self._due(version):
                return
            model = slot.held(version) or await self._prepared(version)
            if model is not slot.current:
                slot.take_over(model)
                self._metrics.model_swaps.inc()
                self._metrics.model_loaded.clear()
                self._metrics.model_loaded.labels(version).set(1)
                self._metrics.feature_drift.clear()
                model.drift.publish()
                logger.info("model %s answers now", version)
            slot.problem = self._refused = None
        except Exception as error:  # a registry or a model may fail in ways of its own; the one in use stays
            self._tell(told(error))
        finally:
            slot.looked.set()

    async def _prepared(self, version: str) -> ServedModel:
        try:
            folder = await asyncio.to_thread(self._registry.fetch, version)
            bundle = await asyncio.to_thread(_opened, folder, version, self._registry.classes)
            drift = await asyncio.to_thread(Drift.of, bundle, folder, self._most_drift, self._metrics.feature_drift)
        except TryLater:
            raise
        except Exception:
            self._refused, self._refused_rounds = version, 0
            self._metrics.model_refused.inc()
            raise
        return ServedModel(bundle, self._catalogue.align(bundle.item_index), drift)

    def _without_champion(self) -> None:
        """A new shop has none yet; where one answers, somebody deleted its alias or its version."""
        if self._slot.current is None:
            self._slot.problem = None
        else:
            self._tell("the registry names no champion any more; shopfloor rollback or shopfloor promote sets one")

    def _due(self, version: str) -> bool:
        """A refused version is tried again only now and then: somebody may have restored its files."""
        if version != self._refused:
            return True
        self._refused_rounds += 1
        return self._refused_rounds * self._poll_seconds % RETRY_REFUSED_SECONDS < self._poll_seconds

    def _tell(self, problem: str) -> None:
        if problem != self._slot.problem:
            logger.warning("model: %s", problem)
        self._slot.problem = problem


def _opened(folder: Path, version: str, classes: Mapping[str, type[CandidateModel]]) -> Bundle:
    """The bundle, checked, and asked once for every placement so that compiled code and mapped pages are there."""
    bundle = Bundle.open(folder, version, classes)
    if not len(bundle.item_ids):
        raise Corrupt(f"bundle {version} in {folder} knows no item; train again")
    for history in _first_questions(len(bundle.item_ids)):
        for placement in bundle.blends:
            propose(bundle, placement, history, 100)
        for model in bundle.models.values():
            proposed = model.propose(history, 10)
            if len(proposed.item):
                model.because(history, int(proposed.item[0]))
    return bundle


def _first_questions(n_items: int) -> Iterable[History]:
    yield History.of([])
    # Purchases, for every model has something to say about them.
    yield History.of(range(min(3, n_items)), Kind.BUY, now=1_700_000_000)
