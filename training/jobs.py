"""A training, from the lake's files to a registered version, on one page."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from feature_repo.errors import Conflict, Corrupt, NotFound
from training.arrays import read_array
from training.assortment import NO_CATALOGUE, CatalogueFiles
from training.blend import BLENDS, blends_of
from training.bundle import ITEM_COUNTS, DataWindow, Manifest, write_bundle
from training.candidates import MODELS
from training.candidates.candidate import CandidateModel
from training.data_checks import DataShift, item_counts, profile_of, shift_between
from training.dataset import BEGINNING, END, Dataset, LeftOut, read_dataset
from training.evidence import Evidence
from training.figures import comparison_figure, traffic_figure
from training.holdout import Comparison, compare, split
from training.holdout_evidence import gathered
from training.holdout_report import holdout_report
from training.interactions import Interactions
from training.model_card import CARD, model_card
from training.promotion import COMPARED_WITH
from training.registry import CHALLENGER, CHAMPION, ModelRegistry
from training.returning import MOST_ORDERS, RETURNING, compare_orders, next_orders
from training.settings import TrainingSettings

Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and of how much."""

LOCK: Final = "training.lock"
REPORT: Final = "report.html"


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
) -> Trained:
    """Fit every model, compare, write the bundle, register it and make it challenger.

    ``folder`` holds the lock and, while this runs, the unfinished bundle. Registering is the last step, so a training
    that is killed leaves no version. Raises Conflict when another training runs, BadInput when there is no data, and
    with ``if_new`` NothingNew when the newest version has learnt from the same interactions already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with only_training(folder), tempfile.TemporaryDirectory(prefix=".training-", dir=folder) as unfinished:
        progress("read the lake", 0, 1)
        dataset = read_dataset(
            event_files,
            catalogue=catalogue,
            since=since,
            until=until,
            window_days=settings.window_days,
            most_events_a_day=settings.most_events_a_day,
        )
        progress("read the lake", 1, 1)
        if if_new and (version := up_to_date(dataset, registry, settings)) is not None:
            raise NothingNew(version)
        champion = registry.version_of(CHAMPION)
        comparison, evidence, report = _compare(dataset.interactions, registry, champion, settings, clock, progress)
        models = _fit(dataset.interactions, list(MODELS), settings.seed, "fit on everything", progress)
        bundle = Path(unfinished, "bundle")
        manifest = write_bundle(
            bundle,
            item_ids=dataset.interactions.item_ids,
            markets=dataset.interactions.markets,
            models=models,
            blends=blends_of(models),
            window=_window(dataset),
            metrics=comparison.metrics() | evidence.metrics(),
            settings=settings.model_dump(mode="json") | {COMPARED_WITH: champion},
            created_at=clock(),
            evidence=evidence,
            item_counts=item_counts(dataset.interactions),
        )
        card = model_card(manifest, [str(bot) for bot in dataset.left_out])
        (bundle / CARD).write_text(card)
        progress("register", 0, 1)
        figures = {"comparison.png": comparison_figure(comparison), "traffic.png": traffic_figure(dataset.interactions)}
        documents = {CARD: card, "model_card.json": manifest.model_dump_json(indent=1, exclude={"files"})}
        if report is not None:
            documents[REPORT] = report
        version = registry.register(bundle, manifest.metrics, _params(manifest), figures, documents)
        registry.challenge(version)
        if champion is None:
            registry.promote(version, "the first version")
        progress("register", 1, 1)
    return Trained(version, champion is None, manifest, comparison, dataset.left_out)


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


@contextmanager
def only_training(folder: Path) -> Iterator[None]:
    """Hold the lock of trainings; Conflict, naming the other process, when it is held. The kernel frees it on death."""
    with (folder / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Conflict(f"a training is running already (process {holder}); wait for it or stop it") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _fit(
    interactions: Interactions, names: Sequence[str], seed: int, step: str, progress: Progress
) -> dict[str, CandidateModel]:
    from threadpoolctl import threadpool_limits

    models: dict[str, CandidateModel] = {}
    # More BLAS threads than one only get into the way of the models' own.
    with threadpool_limits(1, "blas"):
        for done, name in enumerate(names):
            progress(step, done, len(names))
            models[name] = MODELS[name].fit(interactions, seed=seed)
    progress(step, len(names), len(names))
    return models


def _compare(
    interactions: Interactions,
    registry: ModelRegistry,
    champion: str | None,
    settings: TrainingSettings,
    clock: Callable[[], datetime],
    progress: Progress,
) -> tuple[Comparison, Evidence, str | None]:
    """The new recipe beside popularity and the champion's recipe, all fitted on what came before the hold-out.

    Last the report, HTML; None where there was nothing to ask.
    """
    recipe, shift = _beside(registry, champion, interactions)
    data = profile_of(interactions)
    earlier, questions = split(interactions, settings.holdout_share, settings.holdout_questions, settings.seed)
    if not len(earlier) or not questions:
        return Comparison({}, 0), Evidence(questions=0, data=data, shift=shift), None
    recipes: dict[str, Mapping[str, float]] = {"home": BLENDS["home"], "popular": {"popular": 1.0}}
    if recipe is not None:
        recipes["champion"] = recipe
    back: dict[str, Mapping[str, float]] = {RETURNING: BLENDS[f"home/{RETURNING}"], "popular": {"popular": 1.0}}
    cut = int(earlier.time.max()) + 1
    orders = next_orders(interactions, cut, int(interactions.time.max()) + 1, MOST_ORDERS, settings.seed)
    asked = [*recipes.values(), *(back.values() if orders else ())]
    compared = [name for name in MODELS if any(name in weights for weights in asked)]
    models = _fit(earlier, compared, settings.seed, "fit on the earlier part", progress)
    step, total = "compare on the later part", len(questions)
    comparison = compare(questions, models, recipes, settings.seed, lambda done: progress(step, done, total))
    next_order = compare_orders(orders, models, back, RETURNING, settings.seed)
    comparison = replace(comparison, figures={**comparison.figures, **next_order})
    progress(step, total, total)
    report = holdout_report(comparison, questions, earlier, clock(), settings.seed)
    return comparison, gathered(comparison, questions, earlier, data, shift), report


def _beside(
    registry: ModelRegistry, champion: str | None, interactions: Interactions
) -> tuple[Mapping[str, float] | None, DataShift | None]:
    """How the champion blends the home page, and how the data differ from its own; None where that is not known."""
    if champion is None:
        return None, None
    with suppress(Corrupt, NotFound):
        folder = registry.fetch(champion)
        manifest = registry.manifest(champion)
        shift = None
        if manifest.evidence is not None and f"{ITEM_COUNTS}.npy" in manifest.files:
            item_ids, counts = read_array(folder, "item_ids", np.str_), read_array(folder, ITEM_COUNTS, np.int64)
            shift = shift_between(manifest.evidence.data, item_ids, counts, interactions)
        return manifest.blends.get("home"), shift
    return None, None


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
        **manifest.settings,
        **manifest.window.model_dump(mode="json"),
        **{f"blend.{name}": weight for name, weight in manifest.blends["home"].items()},
        "models": ", ".join(manifest.models),
    }
