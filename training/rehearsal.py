"""The rehearsal: a version tried on the latest part of the data, fitted on what came before, and compared.

The new recipe stands beside popularity and the champion's recipe. A ranker that does not surely order better here than
the blend it ranks is left out of the version; the others learn from the latest part too before the version is used.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import numpy as np

from feature_repo.activity import MAX_INTERACTIONS
from training.blend import ORDER, RETURNING, TAUGHT_BY, VISIT, Recipe, recipe_of
from training.bundle import Blends
from training.candidates.candidate import CandidateModel
from training.data_checks import DataShift, profile_of
from training.evaluation.bootstrap import Interval
from training.evidence import Evidence
from training.folds import in_visits
from training.holdout import Comparison, K, Question, compare, split
from training.holdout_evidence import gathered
from training.holdout_report import holdout_report
from training.interactions import Interactions
from training.lessons import FOLDS, Fit, Lessons, Subject, lessons, replayed
from training.next_order import NextOrder, next_orders
from training.next_step import steps_of
from training.past import MAX_BOUGHT
from training.probability import UNCALIBRATED, Calibration
from training.ranker import Ranker, RankerSettings, Rows, learnt, replayed_rows, shown_rows
from training.ranking_features import Signals
from training.registry import CHAMPION
from training.returning import MOST_ORDERS, compare_orders
from training.settings import TrainingSettings
from training.shown_answers import ShownAnswers, ShownList, lists_between

HOME: Final = "home"
BACK: Final = "returning"
BLEND: Final = "blend"
POPULAR_NAME: Final = "popular"
POPULAR: Final = Recipe({POPULAR_NAME: 1.0})
RANKERS: Final[Mapping[str, RankerSettings]] = {
    VISIT: RankerSettings(candidates=100),
    # Habits reach back further than the newest interactions: older purchases, of which the profile knows, count.
    ORDER: RankerSettings(candidates=100, length=MAX_INTERACTIONS + MAX_BOUGHT),
}

Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the champion answers with: its blends, and the names of its rankers."""

    blends: Blends
    rankers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Taught:
    """What a ranker learns from, with the calibration found on answers that trees like its own had not learnt from."""

    weights: Mapping[str, float]
    rows: Sequence[Rows]
    calibration: Calibration

    def ranker(self, name: str, signals: Signals, seed: int) -> Ranker | None:
        """The ranker that learnt from all of it; None where that is too little."""
        trees = learnt(self.rows, RANKERS[name], seed)
        return None if trees is None else Ranker(self.weights, signals, trees, self.calibration, RANKERS[name])


@dataclass(frozen=True, slots=True)
class Rehearsal:
    comparison: Comparison
    evidence: Evidence
    report: str | None = None
    """HTML; None where there was nothing to ask."""
    taught: Mapping[str, Taught] = field(default_factory=dict)
    """The rankers that are worth their time, by name."""

    def rankers(self, interactions: Interactions, seed: int, progress: Progress) -> dict[str, Ranker]:
        """The rankers as they are used: what they know of items comes from all ``interactions``."""
        if not self.taught:
            return {}
        step, signals = "teach the rankers", Signals.fit(in_visits(interactions), seed)
        found: dict[str, Ranker] = {}
        for done, (name, taught) in enumerate(self.taught.items()):
            progress(step, done, len(self.taught))
            ranker = taught.ranker(name, signals, seed)
            if ranker is not None:
                found[name] = ranker
        progress(step, len(self.taught), len(self.taught))
        return found


def rehearse(
    interactions: Interactions,
    shown: ShownAnswers,
    blends: Blends,
    champion: Standing | None,
    shift: DataShift | None,
    fit: Fit,
    settings: TrainingSettings,
    made_at: datetime,
    progress: Progress,
) -> Rehearsal:
    """Fit the models on the earlier part, teach the rankers, ask everything about the later part."""
    data = profile_of(interactions)
    earlier, clicks = split(interactions, settings.holdout_share, settings.holdout_questions, settings.seed)
    if not len(earlier) or not clicks:
        return Rehearsal(Comparison({}, 0), Evidence(questions=0, data=data, shift=shift))
    cut, end = int(earlier.time.max()) + 1, int(interactions.time.max()) + 1
    orders = next_orders(interactions, cut, end, MOST_ORDERS, settings.seed)
    ours = _subjects(blends, tuple(TAUGHT_BY))
    theirs = _subjects(champion.blends, champion.rankers) if champion is not None else {}
    subjects = [*dict.fromkeys([*ours.values(), *theirs.values()])]
    taught = _lessons(earlier, shown, subjects, fit, settings, progress)
    recipes = [blends[name] for name in (HOME, HOME + RETURNING) if name in blends]
    if champion is not None:
        recipes += [champion.blends[name] for name in (HOME, HOME + RETURNING) if name in champion.blends]
    names = {name for weights in (*recipes, POPULAR.weights) for name in weights}
    progress("fit on the earlier part", 0, 1)
    tried = _Tried(
        clicks, orders, fit(earlier, names), Signals.fit(in_visits(earlier), settings.seed), taught, settings
    )
    progress("fit on the earlier part", 1, 1)
    learnt_rankers = tried.rankers(subjects)
    rankers = _of_names(ours, learnt_rankers)
    seen = {name: lists_between(shown, interactions, cut, end, name == VISIT) for name in ours}
    calibrated = tried.taught(rankers, ours, seen)
    rankers = {name: each for name, each in rankers.items() if name in calibrated}
    beside = {} if champion is None else {CHAMPION: recipe_of(champion.blends, _of_names(theirs, learnt_rankers), HOME)}
    rankers, next_order = tried.on_orders(blends, rankers, beside)
    rankers, comparison = tried.on_clicks(blends, rankers, beside, progress)
    return Rehearsal(
        replace(comparison, figures={**comparison.figures, **next_order}),
        gathered(comparison, clicks, earlier, data, shift),
        holdout_report(comparison, clicks, earlier, made_at, settings.seed),
        {name: calibrated[name] for name in rankers},
    )


def _subjects(blends: Blends, rankers: Sequence[str]) -> dict[str, Subject]:
    return {name: Subject.of(name, blends[TAUGHT_BY[name]]) for name in rankers if TAUGHT_BY.get(name) in blends}


def _of_names(subjects: Mapping[str, Subject], rankers: Mapping[Subject, Ranker]) -> dict[str, Ranker]:
    return {name: rankers[subject] for name, subject in subjects.items() if subject in rankers}


def _lessons(
    earlier: Interactions,
    shown: ShownAnswers,
    subjects: Sequence[Subject],
    fit: Fit,
    settings: TrainingSettings,
    progress: Progress,
) -> Lessons:
    if not settings.ranker_questions:
        return {}
    step = "replay the past"
    progress(step, 0, FOLDS)
    found = lessons(
        earlier,
        subjects,
        fit,
        RANKERS,
        settings.ranker_questions,
        settings.seed,
        shown,
        lambda done: progress(step, done, FOLDS),
    )
    progress(step, FOLDS, FOLDS)
    return found


@dataclass(frozen=True, slots=True)
class _Tried:
    """Everything that was fitted on the earlier part, and what it is asked about the later one."""

    clicks: list[Question]
    orders: list[NextOrder]
    models: Mapping[str, CandidateModel]
    signals: Signals
    lessons: Lessons
    settings: TrainingSettings

    def rankers(self, subjects: Sequence[Subject]) -> dict[Subject, Ranker]:
        """A ranker for each subject of which there are enough lessons."""
        found = {}
        for subject in subjects:
            taught = Taught(dict(subject.weights), self.lessons.get(subject, []), UNCALIBRATED)
            ranker = taught.ranker(subject.kind, self.signals, self.settings.seed)
            if ranker is not None:
                found[subject] = ranker
        return found

    def on_orders(
        self, blends: Blends, rankers: dict[str, Ranker], beside: Mapping[str, Recipe]
    ) -> tuple[dict[str, Ranker], dict[str, Interval]]:
        """The rankers without that of orders where it does not order better, and how well orders are foretold, beside
        popularity and the recipes ``beside``."""
        back = HOME + RETURNING
        if back not in blends:
            return rankers, {}
        plain = Recipe(blends[back])
        others = {name: recipe.returning or recipe for name, recipe in beside.items()}
        recipes = {BACK: replace(plain, ranker=rankers.get(ORDER)), POPULAR_NAME: POPULAR, **others}
        if ORDER in rankers:
            recipes[f"{BACK}_{BLEND}"] = plain
        figures = compare_orders(self.orders, self.models, recipes, BACK, self.settings.seed)
        if ORDER in rankers and not _better(figures, f"over_{BACK}_{BLEND}.ndcg_{K}"):
            return self.on_orders(blends, {name: each for name, each in rankers.items() if name != ORDER}, beside)
        return rankers, figures

    def on_clicks(
        self, blends: Blends, rankers: dict[str, Ranker], beside: Mapping[str, Recipe], progress: Progress
    ) -> tuple[dict[str, Ranker], Comparison]:
        """The same of the ranker of visits, and the comparison with popularity and the recipes ``beside``."""
        unranked = {name: each for name, each in rankers.items() if name != VISIT}
        recipes = {HOME: recipe_of(blends, rankers, HOME), POPULAR_NAME: POPULAR, **beside}
        if VISIT in rankers:
            recipes[BLEND] = recipe_of(blends, unranked, HOME)
        step, total = "compare on the later part", len(self.clicks)
        comparison = compare(
            self.clicks, self.models, recipes, self.settings.seed, lambda done: progress(step, done, total)
        )
        progress(step, total, total)
        if VISIT in rankers and not _better(comparison.figures, f"over_{BLEND}.mrr_{K}"):
            return self.on_clicks(blends, unranked, beside, progress)
        return rankers, comparison

    def taught(
        self,
        rankers: Mapping[str, Ranker],
        subjects: Mapping[str, Subject],
        seen: Mapping[str, Sequence[ShownList]],
    ) -> dict[str, Taught]:
        """The lessons of each ranker with those of the later part, and its calibration on that.

        A ranker whose higher scores are no likelier to be right is left out.
        """
        later = {VISIT: steps_of(self.clicks), ORDER: replayed(self.orders)}
        found = {}
        for name, ranker in rankers.items():
            asked, lists = later[name], self.lessons[subjects[name]]
            halves = [
                replayed_rows(half, self.models, ranker.weights, self.signals, ranker.settings)
                for half in (asked[: len(asked) // 2], asked[len(asked) // 2 :])
            ]
            calibration = cross_fitted(lists, halves, ranker.settings, self.settings.seed)
            if calibration is not None:
                shown = shown_rows(seen[name], self.models, ranker.weights, self.signals, ranker.settings)
                lists = [*lists, *(half.teaching() for half in halves), shown]
                found[name] = Taught(ranker.weights, lists, calibration)
        return found


def cross_fitted(
    lessons: Sequence[Rows], halves: Sequence[Rows], settings: RankerSettings, seed: int
) -> Calibration | None:
    """The calibration by what trees that learnt from the ``lessons`` and one of the ``halves`` say of the other half.

    The trees that are used learn from all of it, and their scores go further than those of trees that learnt from the
    lessons alone: with a calibration of those they would promise too much. None where scores say nothing.
    """
    scores, labels = [], []
    for number, asked in enumerate(halves):
        trees = learnt([*lessons, *halves[:number], *halves[number + 1 :]], settings, seed)
        if trees is not None and len(asked.group):
            scores.append(trees.score(asked.features))
            labels.append(asked.label)
    return Calibration.fit(np.concatenate(scores), np.concatenate(labels)) if scores else None


def _better(figures: Mapping[str, Interval], name: str) -> bool:
    """Surely: an order that chance alone makes is not worth its time, and would go again with the next version."""
    return name in figures and figures[name].low > 0
