"""What was chosen beside what is in force, on the hold-out: visits that nothing was chosen on.

Where ``train`` teaches a ranker to put a placement in order, the blends are compared first, and then each with the
ranker that it would be served with, taught before the hold-out. ``docs/decisions/0015-…`` says what is kept.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from training.candidates.candidate import CandidateModel
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.metrics import Values
from training.interactions import Interactions
from training.lessons import FOLDS, Subject
from training.model_settings import ModelSettings
from training.ranker import Ranker
from training.search.proposals import Proposals
from training.search.questions import Fold, enough
from training.search.rankers import RANKER_OF, ranked_ndcg, teach
from training.settings import TrainingSettings
from training.shown_answers import ShownAnswers

RANKED: Final = ", ranked"
"""Ends the name of a placement in a figure of its ranked lists."""


@dataclass(frozen=True, slots=True)
class Difference:
    """NDCG@20 of one placement's lists, ``chosen`` less ``in_force``, paired over visits."""

    placement: str
    questions: int
    in_force: float
    chosen: float
    difference: Interval
    ranked: bool = False
    """Of the lists as they are served: in the order of the ranker of their settings, where that is surely better."""

    @property
    def name(self) -> str:
        return self.placement + RANKED * self.ranked

    @property
    def better(self) -> bool:
        return self.difference.low > 0

    @property
    def worse(self) -> bool:
        return self.difference.high < 0


@dataclass(frozen=True, slots=True)
class Judged:
    differences: Sequence[Difference]
    """Of the placements that were searched, with everything that was chosen; after a blend its ranked lists."""
    kept: ModelSettings
    """What is in force with what proved better."""
    others: Sequence[Difference]
    """Other placements that blend the same models, with what would be kept: better models count there too."""

    @property
    def better(self) -> list[str]:
        """Placements whose lists, as they are served, are surely better, and whose blend is not surely worse."""
        served = {each.placement: each for each in self.differences}
        worse = {each.placement for each in self.differences if each.worse}
        return [placement for placement, each in served.items() if each.better and placement not in worse]

    @property
    def harmed(self) -> list[Difference]:
        """Those of the others that are surely worse for it."""
        return [each for each in self.others if each.worse]


@dataclass(slots=True)
class HeldOut:
    """What is needed is fitted, taught and asked when it is first needed, once for each of its settings."""

    fold: Fold
    shown: ShownAnswers
    settings: TrainingSettings
    progress: Callable[[str, int, int], None] = lambda step, done, total: None
    _known: dict[str, tuple[str, ModelSettings]] = field(default_factory=dict)
    """What tells a model with its settings apart, to its name and where the settings stand."""
    _fitted: dict[str, CandidateModel] = field(default_factory=dict)
    _rankers: dict[Subject, Ranker | None] = field(default_factory=dict)
    _blends: dict[tuple[str, tuple[tuple[str, float], ...]], Values] = field(default_factory=dict)
    """NDCG@20 of each question, by placement and weights."""

    def judge(self, in_force: ModelSettings, chosen: ModelSettings, searched: Sequence[str]) -> Judged:
        """Keep a placement's weights, and the settings of the models in them, where they are surely better.

        A model has one set of settings for the whole shop, so the other placements are asked again with what is kept:
        where one is surely worse for it, nothing is kept.
        """
        step = "compare on the hold-out"
        self.progress(step, 0, 1)
        judged = Judged(self._differences(searched, in_force, chosen), in_force, ())
        used = {name for placement in judged.better for name, weight in chosen.blends[placement].items() if weight > 0}
        models = {name: settings for name, settings in chosen.models.items() if name in used}
        kept = replace(
            in_force,
            models={**in_force.models, **models},
            blends={**in_force.blends, **{name: chosen.blends[name] for name in judged.better}},
        )
        touched = [
            name
            for name, asked in self.fold.asked.items()
            if name not in judged.better
            and enough(asked)
            and self._weights(name, in_force) != self._weights(name, kept)
        ]
        judged = replace(judged, kept=kept, others=self._differences(touched, in_force, kept))
        self.progress(step, 1, 1)
        return replace(judged, kept=in_force) if judged.harmed else judged

    def prepare(self, in_force: ModelSettings, placements: Sequence[str]) -> None:
        """Ask what is in force, and teach its rankers, ahead of ``judge``: the same of what is chosen takes as long."""
        step = "ask what is in force"
        self.progress(step, 0, len(placements))
        for done, placement in enumerate(placements):
            self._blend_ndcg(placement, in_force)
            self.progress(step, done + 1, len(placements))
        self._teach(placements, in_force)

    def _teach(self, placements: Iterable[str], *settings: ModelSettings) -> None:
        """Teach the rankers of these placements, those of all settings out of the same replayed past."""
        wanted = [
            self._subject(placement, each) for placement in placements if placement in RANKER_OF for each in settings
        ]
        missing = [subject for subject in dict.fromkeys(wanted) if subject not in self._rankers]
        if not missing:
            return
        step = "teach the rankers"
        self.progress(step, 0, FOLDS)
        found = teach(
            self.fold.earlier,
            self.shown,
            missing,
            self._fit,
            self.settings.ranker_questions,
            self.settings.seed,
            lambda done: self.progress(step, done, FOLDS),
        )
        self._rankers.update({subject: found.get(subject) for subject in missing})

    def _differences(
        self, placements: Sequence[str], in_force: ModelSettings, chosen: ModelSettings
    ) -> list[Difference]:
        """Of the blends, and where that may still be kept, of the ranked lists."""
        alone = {
            placement: self._difference(
                placement, self._blend_ndcg(placement, in_force), self._blend_ndcg(placement, chosen)
            )
            for placement in placements
        }
        ranked = [
            placement
            for placement, each in alone.items()
            if placement in RANKER_OF
            and not each.worse
            and self._weights(placement, in_force) != self._weights(placement, chosen)
        ]
        self._teach(ranked, in_force, chosen)
        found = []
        for placement, each in alone.items():
            found.append(each)
            subjects = (
                [self._subject(placement, settings) for settings in (in_force, chosen)] if placement in ranked else []
            )
            if any(self._rankers[subject] is not None for subject in subjects):
                values = (self._served_ndcg(placement, settings) for settings in (in_force, chosen))
                found.append(replace(self._difference(placement, *values), ranked=True))
        return found

    def _difference(self, placement: str, theirs: Values, ours: Values) -> Difference:
        values = np.stack([theirs, ours], axis=1)
        visits, cluster = np.unique([question.visit for question in self.fold.asked[placement]], return_inverse=True)
        draws = draw_means(values, cluster.astype(np.int32), len(visits), self.settings.seed)
        in_force, chosen = values.mean(axis=0).tolist()
        return Difference(
            placement, len(values), in_force, chosen, interval(chosen - in_force, draws[:, 1] - draws[:, 0])
        )

    def _blend_ndcg(self, placement: str, settings: ModelSettings) -> Values:
        weights = self._weights(placement, settings)
        asked = placement, tuple(weights.items())
        if asked not in self._blends:
            self._blends[asked] = Proposals.of(self.fold.asked[placement], self._models(weights)).ndcg(weights)
        return self._blends[asked]

    def _served_ndcg(self, placement: str, settings: ModelSettings) -> Values:
        """Of the lists as a version would serve them: ``train`` leaves a ranker out that is not surely better."""
        alone, subject = self._blend_ndcg(placement, settings), self._subject(placement, settings)
        ranker = self._rankers[subject]
        if ranker is None:
            return alone
        ranked = ranked_ndcg(self.fold.asked[placement], self._models(dict(subject.weights)), ranker)
        return ranked if self._difference(placement, alone, ranked).better else alone

    def _subject(self, placement: str, settings: ModelSettings) -> Subject:
        return Subject.of(RANKER_OF[placement], self._weights(placement, settings))

    def _weights(self, placement: str, settings: ModelSettings) -> dict[str, float]:
        """The placement's blend, its models named with their settings."""
        weights = {}
        for name, weight in settings.blends[placement].items():
            if weight > 0:
                told_apart = f"{name} {settings.values(name)}"
                self._known[told_apart] = name, settings
                weights[told_apart] = weight
        return weights

    def _models(self, names: Collection[str]) -> dict[str, CandidateModel]:
        self._fitted.update(self._fit(self.fold.earlier, [name for name in names if name not in self._fitted]))
        return {name: self._fitted[name] for name in names}

    def _fit(self, interactions: Interactions, names: Collection[str]) -> dict[str, CandidateModel]:
        found = {}
        with threadpool_limits(1, "blas"):
            for told_apart in names:
                name, settings = self._known[told_apart]
                found[told_apart] = settings.fit(name, interactions, self.settings.seed)
        return found
