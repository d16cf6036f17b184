"""A training, from the lake's files to a registered version, on one page."""

import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from feature_repo.errors import Corrupt, Misconfigured, NotFound
from training.arrays import read_array
from training.assortment import NO_CATALOGUE, CatalogueFiles
from training.bundle import ITEM_COUNTS, Blends, Bundle, DataWindow, Manifest, write_bundle
from training.candidates.candidate import CandidateModel
from training.data_checks import DataShift, item_counts, shift_between
from training.dataset import BEGINNING, END, Dataset, LeftOut, read_dataset
from training.exclusive import only_one
from training.figures import comparison_figure, traffic_figure
from training.holdout import Comparison
from training.interactions import Interactions
from training.model_card import CARD, model_card
from training.model_settings import ModelSettings
from training.promotion import COMPARED_WITH
from training.registry import CHALLENGER, CHAMPION, ModelRegistry
from training.rehearsal import Progress, Standing, rehearse
from training.settings import TrainingSettings
from training.warm_start import Predecessor

LOCK: Final = "training.lock"
REPORT: Final = "report.html"
UNFINISHED: Final = ".training-"
THEIRS: Final = " of the champion"
"""Ends the name of a model that the champion has with other settings."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered version. ``promoted``: it is the first one ever, so it was made champion at once."""

    version: str
    promoted: bool
    manifest: Manifest
    comparison: Comparison
    left_out: tuple[LeftOut, ...]


class NothingNew(Exception):
    """The newest version has learnt from everything there is."""

    def __init__(self, version: str) -> None:
        super().__init__(f"nothing came since version {version} was trained")
        self.version = version


def train(
    event_files: Sequence[str],
    registry: ModelRegistry,
    settings: TrainingSettings,
    folder: Path,
    clock: Callable[[], datetime],
    progress: Progress,
    since: datetime = BEGINNING,
    until: datetime = END,
    if_new: bool = False,
    catalogue: CatalogueFiles = NO_CATALOGUE,
    exposures: Sequence[str] = (),
) -> Trained:
    """Fit every model, compare, write the bundle, register it and make it challenger.

    ``folder`` holds the lock and, while this runs, the unfinished bundle. Registering is the last step, so a training
    that is killed leaves no version. Raises Misconfigured when a model's setting does not fit, Conflict when another
    training runs, BadInput when there is no data, and with ``if_new`` NothingNew when the newest version has learnt
    from the same interactions already.
    """
    in_force = ModelSettings.of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with only_training(folder), _unfinished(folder) as unfinished:
        progress("read the lake", 0, 1)
        dataset = read_dataset(
            event_files,
            catalogue=catalogue,
            exposures=exposures,
            since=since,
            until=until,
            window_days=settings.window_days,
            most_events_a_day=settings.most_events_a_day,
        )
        progress("read the lake", 1, 1)
        if if_new and (version := up_to_date(dataset, registry, settings)) is not None:
            raise NothingNew(version)
        champion = registry.version_of(CHAMPION)
        standing, theirs, shift = _beside(registry, champion, settings, in_force, dataset.interactions)
        fit, blends = _Fitting(in_force, theirs, settings.seed), in_force.blends_of(in_force.classes)
        rehearsal = rehearse(
            dataset.interactions, dataset.shown, blends, standing, shift, fit, settings, clock(), progress
        )
        begun = _predecessor(registry, champion, settings, in_force, dataset.interactions)
        models = _fit_everything(dataset.interactions, blends, replace(fit, predecessor=begun), progress)
        rankers = rehearsal.rankers(dataset.interactions, settings.seed, progress)
        bundle = Path(unfinished, "bundle")
        manifest = write_bundle(
            bundle,
            item_ids=dataset.interactions.item_ids,
            markets=dataset.interactions.markets,
            models=models,
            rankers=rankers,
            blends=blends,
            window=_window(dataset),
            metrics=rehearsal.comparison.metrics() | rehearsal.evidence.metrics(),
            settings=settings.model_dump(mode="json") | {COMPARED_WITH: champion},
            created_at=clock(),
            evidence=rehearsal.evidence,
            item_counts=item_counts(dataset.interactions),
            started_from={} if begun is None else {name: begun.version for name in begun.models if name in models},
        )
        card = model_card(manifest, [str(bot) for bot in dataset.left_out])
        (bundle / CARD).write_text(card)
        progress("register", 0, 1)
        figures = {
            "comparison.png": comparison_figure(rehearsal.comparison),
            "traffic.png": traffic_figure(dataset.interactions),
        }
        documents = {CARD: card, "model_card.json": manifest.model_dump_json(indent=1, exclude={"files"})}
        if rehearsal.report is not None:
            documents[REPORT] = rehearsal.report
        version = registry.register(bundle, manifest.metrics, _params(manifest), figures, documents)
        registry.challenge(version)
        if champion is None:
            registry.promote(version, "the first version")
        progress("register", 1, 1)
    return Trained(version, champion is None, manifest, rehearsal.comparison, dataset.left_out)


def up_to_date(dataset: Dataset, registry: ModelRegistry, settings: TrainingSettings) -> str | None:
    """The version that learnt from these very interactions with these settings already, None where there is none."""
    version = registry.version_of(CHALLENGER) or registry.version_of(CHAMPION)
    if version is not None:
        with suppress(Corrupt, NotFound):
            manifest = registry.manifest(version)
            told = {name: value for name, value in manifest.settings.items() if name != COMPARED_WITH}
            if manifest.window == _window(dataset) and told == settings.model_dump(mode="json"):
                return version
    return None


def only_training(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of trainings; Conflict, naming the other process, when it is held."""
    return only_one(folder / LOCK, "a training")


@contextmanager
def _unfinished(folder: Path) -> Iterator[str]:
    """A folder for what is not registered yet. What a killed training left there goes first; the lock is held."""
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=folder) as unfinished:
        yield unfinished


def _fit_everything(
    interactions: Interactions, blends: Blends, fit: "_Fitting", progress: Progress
) -> dict[str, CandidateModel]:
    names = {name for weights in blends.values() for name in weights}
    step = "fit on everything"
    models = fit(interactions, names, lambda done: progress(step, done, len(names)))
    progress(step, len(names), len(names))
    return models


@dataclass(frozen=True, slots=True)
class _Fitting:
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
                if self.predecessor is not None and name in self.predecessor.models:
                    models[name] = self.predecessor.refitted(name, interactions, self.seed)
                else:
                    settings = self.theirs if name.endswith(THEIRS) else self.settings
                    models[name] = settings.fit(name.removesuffix(THEIRS), interactions, self.seed)
        return models


def _predecessor(
    registry: ModelRegistry,
    champion: str | None,
    settings: TrainingSettings,
    in_force: ModelSettings,
    interactions: Interactions,
) -> Predecessor | None:
    """What the models that are served can begin with; None without a champion that can be read."""
    if champion is not None and settings.warm_start:
        with suppress(Corrupt, NotFound):
            bundle = Bundle.open(registry.fetch(champion), champion, registry.classes)
            return Predecessor.of(bundle, in_force, interactions)
    return None


def _beside(
    registry: ModelRegistry,
    champion: str | None,
    settings: TrainingSettings,
    in_force: ModelSettings,
    interactions: Interactions,
) -> tuple[Standing | None, ModelSettings, DataShift | None]:
    """What the champion answers with, the settings of its models, and how the data differ from its own; the settings
    in force and None where that is not known."""
    if champion is None:
        return None, in_force, None
    with suppress(Corrupt, NotFound):
        folder = registry.fetch(champion)
        manifest = registry.manifest(champion)
        shift = None
        if manifest.evidence is not None and f"{ITEM_COUNTS}.npy" in manifest.files:
            item_ids, counts = read_array(folder, "item_ids", np.str_), read_array(folder, ITEM_COUNTS, np.int64)
            shift = shift_between(manifest.evidence.data, item_ids, counts, interactions)
        theirs = in_force
        with suppress(Misconfigured):  # a setting that this program no longer has
            told = {"models": manifest.settings.get("models", {}), "blends": {}}
            theirs = ModelSettings.of(settings.model_copy(update=told))
        blends = {
            placement: {_told_apart(name, in_force, theirs): weight for name, weight in weights.items()}
            for placement, weights in manifest.blends.items()
        }
        return Standing(blends, manifest.rankers), theirs, shift
    return None, in_force, None


def _told_apart(name: str, in_force: ModelSettings, theirs: ModelSettings) -> str:
    """The name of the champion's model: its own where its settings are not those in force."""
    return name if in_force.values(name) == theirs.values(name) else name + THEIRS


def _window(dataset: Dataset) -> DataWindow:
    untouched = int((item_counts(dataset.interactions) == 0).sum())
    return DataWindow(
        first_event=dataset.first_event,
        last_event=dataset.last_event,
        interactions=len(dataset.interactions),
        users=dataset.interactions.n_users,
        sessions=dataset.interactions.n_sessions,
        items=dataset.interactions.n_items - untouched,
        untouched_items=untouched,
    )


def _params(manifest: Manifest) -> dict[str, Any]:
    """What MLflow shows of a version beside its metrics."""
    return {
        **{name: value for name, value in manifest.settings.items() if name not in ("models", "blends")},
        **{
            f"setting.{model}.{name}": value
            for model, values in manifest.settings["models"].items()
            for name, value in values.items()
        },
        **manifest.window.model_dump(mode="json"),
        **{f"blend.{name}": weight for name, weight in manifest.blends["home"].items()},
        "models": ", ".join(manifest.models),
    }
