"""A search for settings, from the lake's files to the settings that proved better, on one page.

First each model's own settings, by how well the model alone answers where it counts most; then each placement's
weights, over the proposals of those models. Both are chosen on inner folds, which lie before the hold-out; on that,
what was chosen is compared with what is in force once, at the end, with the rankers that would be taught for each.
What is not surely better there is not kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from feature_repo.errors import BadInput
from training.assortment import NO_CATALOGUE, CatalogueFiles
from training.dataset import BEGINNING, END, Dataset, read_dataset
from training.model_settings import ModelSettings
from training.registry import ModelRegistry
from training.search.document import as_toml
from training.search.held_out import HeldOut, Judged
from training.search.questions import PLACEMENTS, Fold, fold, placements_with_enough
from training.search.space import LEAST_WEIGHT, SPACES, WEIGHT
from training.search.stages import Limits, Progress, Stages, StudyFound
from training.search.studies import Studies, check_optuna, known_until, only_search, resume, write_about
from training.search.tracking import RESULT, Tracking
from training.settings import TrainingSettings
from training.tracked_run import TrackedRun

INNER_FOLDS: Final = 2
INNER_QUESTIONS: Final = 1500
"""At most about this many for each placement and inner fold."""
RUN: Final = "run"


@dataclass(frozen=True, slots=True)
class Found:
    models: Sequence[StudyFound]
    blends: Sequence[StudyFound]
    judged: Judged
    file: Path | None
    """The settings for ``shopfloor.toml``; None where nothing proved better."""
    run: str
    """In MLflow."""


def search(
    event_files: Sequence[str],
    registry: ModelRegistry,
    settings: TrainingSettings,
    folder: Path,
    limits: Limits,
    clock: Callable[[], datetime],
    seconds: Callable[[], float],
    progress: Progress,
    *,
    placements: Sequence[str] = (),
    also: Sequence[str] = (),
    since: datetime = BEGINNING,
    until: datetime = END,
    anew: bool = False,
    catalogue: CatalogueFiles = NO_CATALOGUE,
    exposures: Sequence[str] = (),
) -> Found:
    """Search, or go on with the search that ``folder`` holds, if it is of the same data and settings.

    Without ``placements``, for all to which the data hold enough answers; the models ``also`` are tried in the blends
    beside those that some blend in force has. ``seconds`` is a clock that only goes forward. Raises Misconfigured when
    Optuna is missing or a setting does not fit, Conflict when another search runs in the folder or the one it holds
    was about something else, BadInput for limits or names that make no sense, and where there is too little data.
    """
    check_optuna()
    limits.check()
    in_force = ModelSettings.of(settings)
    _check_names(placements, also, in_force)
    began = seconds()
    with only_search(folder):
        progress("read the lake", 0, 1)
        dataset = read_dataset(
            event_files,
            catalogue=catalogue,
            exposures=exposures,
            since=since,
            until=until if anew else min(until, known_until(folder) or until),
            window_days=settings.window_days,
            most_events_a_day=settings.most_events_a_day,
        )
        progress("read the lake", 1, 1)
        about = _about(dataset, settings)
        noted = resume(folder, about, anew)
        latest, inner = _folds(dataset, settings)
        searched = _searched(placements, [latest, *inner])
        run = _run(folder, registry, about, noted, f"search {clock():%Y-%m-%d %H:%M}", settings.seed)
        tracking = Tracking(run, clock)
        try:
            studies = Studies(folder, settings.seed)
            held_out = HeldOut(latest, dataset.shown, settings, progress)
            asking = seconds()
            held_out.prepare(in_force, searched)
            now = seconds()
            time = limits.seconds_to_try(spent=now - began, to_compare=now - asking)
            stages = Stages(studies, inner, now, time, limits.trials, seconds, tracking, progress, settings.seed, also)
            tuned, models = stages.models(in_force, searched)
            chosen, blends = stages.blends(in_force, tuned, searched)
            judged = held_out.judge(in_force, chosen, searched)
            file = _write(folder / RESULT, judged, tracking, f"shopfloor search, {clock():%Y-%m-%d %H:%M} UTC")
        except BaseException:
            run.end(failed=True)
            raise
        run.end()
    return Found(models, blends, judged, file, run.id)


def _check_names(placements: Sequence[str], also: Sequence[str], in_force: ModelSettings) -> None:
    for name in placements:
        if name not in PLACEMENTS:
            raise BadInput(f"--placement {name}: the past holds answers of their own to {', '.join(PLACEMENTS)}")
    for name in also:
        if name not in in_force.classes:
            raise BadInput(f"--model {name}: there is no such model; known are {', '.join(in_force.classes)}")


def _about(dataset: Dataset, settings: TrainingSettings) -> dict[str, dict[str, Any]]:
    """What a search must be equal in to be gone on with."""
    interactions = dataset.interactions
    return {
        "data": {
            "first_event": dataset.first_event.isoformat(),
            "last_event": dataset.last_event.isoformat(),
            "interactions": len(interactions),
            "customers": interactions.n_users,
            "sessions": interactions.n_sessions,
        },
        "hold-out": {
            "share": settings.holdout_share,
            "questions": settings.holdout_questions,
            "seed": settings.seed,
        },
        "settings in force": settings.model_dump(mode="json", include={"models", "blends", "own_models"}),
        "search space": {
            **{name: {field: asdict(where) for field, where in space.items()} for name, space in SPACES.items()},
            "weights": asdict(WEIGHT) | {"least": LEAST_WEIGHT},
        },
    }


def _folds(dataset: Dataset, settings: TrainingSettings) -> tuple[Fold, list[Fold]]:
    """The hold-out, and the inner folds, the latest first, each before the one that was made first."""
    share, seed = settings.holdout_share, settings.seed
    held_out = latest = fold(dataset.interactions, share, settings.holdout_questions, seed)
    inner = []
    for _ in range(INNER_FOLDS):
        latest = fold(latest.earlier, share, min(settings.holdout_questions, INNER_QUESTIONS), seed)
        inner.append(latest)
    return held_out, inner


def _searched(placements: Sequence[str], folds: Sequence[Fold]) -> list[str]:
    answered = placements_with_enough(folds)
    missing = [name for name in placements or PLACEMENTS if name not in answered]
    if (placements and missing) or not answered:
        raise BadInput(
            f"there are too few visits that tell what {missing[0]} should have answered; import more of the past, or "
            "raise training.holdout_share or training.window_days"
            + (f". There are enough for {', '.join(answered)}" if answered else "")
        )
    return [name for name in answered if name in (placements or answered)]


def _run(
    folder: Path, registry: ModelRegistry, about: Mapping[str, Any], noted: Mapping[str, Any], name: str, seed: int
) -> TrackedRun:
    """The run of this search in MLflow, the same in each call."""
    run = registry.tracked_run(name, noted.get(RUN))
    if run.id != noted.get(RUN):
        run.params({"seed": seed, **about["data"]})
        write_about(folder, about, {RUN: run.id})
    return run


def _write(path: Path, judged: Judged, tracking: Tracking, made: str) -> Path | None:
    better = [each for each in judged.differences if each.placement in judged.better and not judged.harmed]
    document = as_toml(judged.kept, better, made) if better else ""
    tracking.judged(judged, document)
    if not better:
        path.unlink(missing_ok=True)  # what an earlier call kept
        return None
    path.write_text(document)
    return path
