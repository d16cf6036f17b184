"""A training, from the lake's files to a registered version, on one page."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from feature_repo.errors import Corrupt, NotFound
from training.assortment import NO_CATALOGUE, CatalogueFiles
from training.bundle import Blends, DataWindow, Manifest, write_bundle
from training.data_checks import item_counts
from training.dataset import BEGINNING, END, Dataset, LeftOut, read_dataset
from training.exclusive import only_one
from training.figures import comparison_figure, traffic_figure
from training.fitting import Fitting
from training.holdout import Comparison
from training.incumbent import Incumbent
from training.model_card import CARD, model_card
from training.model_settings import ModelSettings
from training.promotion import COMPARED_WITH
from training.registry import CHALLENGER, CHAMPION, ModelRegistry
from training.rehearsal import Progress, Rehearsal, rehearse
from training.settings import TrainingSettings

LOCK: Final = "training.lock"
REPORT: Final = "report.html"
UNFINISHED: Final = ".training-"


@dataclass(frozen=True, slots=True)
class Trained:
    """A registered version. ``promoted``: there was no champion, so it was made champion at once."""

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
    that is killed leaves no version or a whole one. Raises Misconfigured when a model's setting does not fit, Conflict
    when another training runs, BadInput when there is no data, and with ``if_new`` NothingNew when the newest version
    has learnt from the same interactions already.
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
        champion = Incumbent.of(registry, settings, in_force, dataset.interactions)
        fit, blends = Fitting(in_force, champion.theirs, settings.seed), in_force.blends_of(in_force.classes)
        rehearsal = rehearse(
            dataset.interactions,
            dataset.shown,
            blends,
            champion.standing,
            champion.shift,
            fit,
            settings,
            clock(),
            progress,
        )
        bundle = Path(unfinished, "bundle")
        going_on = replace(fit, predecessor=champion.predecessor)
        manifest = _fit_and_write(
            bundle, dataset, blends, rehearsal, going_on, settings, champion.version, clock(), progress
        )
        version = _register(bundle, manifest, dataset, rehearsal, registry, progress)
        if champion.version is None:
            registry.promote(version, "there was no champion" if registry.champions() else "the first version")
    return Trained(version, champion.version is None, manifest, rehearsal.comparison, dataset.left_out)


def up_to_date(dataset: Dataset, registry: ModelRegistry, settings: TrainingSettings) -> str | None:
    """The version that learnt from these very interactions with these settings already, None where there is none.

    None without a champion too: a first training that was killed may have left a challenger that nobody promotes.
    """
    champion = registry.version_of(CHAMPION)
    version = registry.version_of(CHALLENGER) or champion
    if version is not None and champion is not None:
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


def _fit_and_write(
    bundle: Path,
    dataset: Dataset,
    blends: Blends,
    rehearsal: Rehearsal,
    fit: Fitting,
    settings: TrainingSettings,
    champion: str | None,
    created_at: datetime,
    progress: Progress,
) -> Manifest:
    """The models and rankers as they will be served, from everything there is, and the card."""
    step, names = "fit on everything", {name for weights in blends.values() for name in weights}
    models = fit(dataset.interactions, names, lambda done: progress(step, done, len(names)))
    progress(step, len(names), len(names))
    manifest = write_bundle(
        bundle,
        item_ids=dataset.interactions.item_ids,
        markets=dataset.interactions.markets,
        models=models,
        rankers=rehearsal.rankers(dataset.interactions, settings.seed, progress),
        blends=blends,
        window=_window(dataset),
        metrics=rehearsal.comparison.metrics() | rehearsal.evidence.metrics(),
        settings=settings.model_dump(mode="json") | {COMPARED_WITH: champion},
        created_at=created_at,
        evidence=rehearsal.evidence,
        item_counts=item_counts(dataset.interactions),
        started_from=fit.started_from(models),
    )
    (bundle / CARD).write_text(model_card(manifest, [str(bot) for bot in dataset.left_out]))
    return manifest


def _register(
    bundle: Path,
    manifest: Manifest,
    dataset: Dataset,
    rehearsal: Rehearsal,
    registry: ModelRegistry,
    progress: Progress,
) -> str:
    """The version, made challenger, with its figures and documents beside it."""
    progress("register", 0, 1)
    figures = {
        "comparison.png": comparison_figure(rehearsal.comparison),
        "traffic.png": traffic_figure(dataset.interactions),
    }
    documents = {
        CARD: (bundle / CARD).read_text(),
        "model_card.json": manifest.model_dump_json(indent=1, exclude={"files"}),
    }
    if rehearsal.report is not None:
        documents[REPORT] = rehearsal.report
    registry.end_killed_trainings()
    version = registry.register(bundle, manifest.metrics, _params(manifest), figures, documents)
    registry.challenge(version)
    progress("register", 1, 1)
    return version


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
