"""The two stages of a search, on the inner folds: the settings of each model, then the weights of each blend."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from feature_repo.errors import BadInput
from training.bundle import Blends
from training.model_settings import ModelSettings
from training.search.proposals import Proposals
from training.search.questions import Fold, placements_with_enough
from training.search.space import LEAST_WEIGHT, SPACES, WEIGHT, Space
from training.search.studies import Explored, Studies, explore
from training.search.tracking import Tracking
from training.settings import Value

Progress = Callable[[str, int, int], None]
"""Told a step's name, how much of it is done, and of how much."""

MODELS_UNTIL: Final = 0.6
BLENDS_UNTIL: Final = 1.0
"""Parts of the time for trials at which the models' settings and the weights are to be found."""
LEAST_SHARE: Final = 0.5
"""Of all time for trials, where the hold-out would leave less."""
MODEL_TRIALS: Final = 60
"""Of each model where no other limit is given, so that those that are quick to fit leave time to the others."""


@dataclass(frozen=True, slots=True)
class Limits:
    """A search ends by whichever is met first."""

    minutes: float
    trials: int | None = None
    """Of each model and of each placement, those of earlier calls among them."""

    def check(self) -> None:
        """BadInput for what leaves no room to try anything."""
        if not self.minutes > 0:
            raise BadInput(f"--minutes {self.minutes:g} leaves no time to try anything; give more than 0")
        if self.trials is not None and self.trials < 1:
            raise BadInput(f"--trials {self.trials} tries nothing; give 1 or more, or leave it out")

    def seconds_to_try(self, spent: float, to_compare: float) -> float:
        """What is left for trials when so many seconds are ``spent`` and the comparison at the end takes others."""
        return max(60 * self.minutes - spent - to_compare, LEAST_SHARE * 60 * self.minutes)


@dataclass(frozen=True, slots=True)
class StudyFound:
    """What a study reached on the inner folds, NDCG@20."""

    name: str
    """A model, or a placement."""
    placement: str
    """By whose questions it was measured: for a model, where it counts most."""
    trials: int
    in_force: float
    best: float
    values: Mapping[str, Value]
    """Of the best."""


@dataclass(frozen=True, slots=True)
class Stages:
    studies: Studies
    folds: Sequence[Fold]
    began: float
    time: float
    """Seconds for both stages, from ``began`` on."""
    trials: int | None
    """At most so many of each model and of each placement, those of earlier calls among them."""
    seconds: Callable[[], float]
    """A clock that only goes forward; ``began`` is of it."""
    tracking: Tracking
    progress: Progress
    seed: int
    also: Sequence[str] = ()
    """Models that are tried in the blends although no blend in force has them."""

    def models(self, in_force: ModelSettings, searched: Sequence[str]) -> tuple[ModelSettings, list[StudyFound]]:
        """Better settings of the models that the placements blend, each model measured alone."""
        names = [name for name in SPACES if any(in_force.blends[place].get(name) for place in searched)]
        tuned, found = in_force, []
        for done, name in enumerate(names):
            placement = self._where_it_counts(name, in_force.blends)
            explored = self._explore(
                f"model.{name}",
                f"model.{name} on {placement}",
                SPACES[name],
                in_force.values(name),
                partial(self._alone, name, placement, in_force),
                self._slice(MODELS_UNTIL, len(names) - done),
                self.trials or MODEL_TRIALS,
            )
            if explored is not None:
                found.append(_found(name, placement, explored))
                if explored.improved:
                    tuned = tuned.with_values(name, explored.best.values)
        return tuned, found

    def blends(
        self, in_force: ModelSettings, tuned: ModelSettings, searched: Sequence[str]
    ) -> tuple[ModelSettings, list[StudyFound]]:
        """Better weights for each placement, over what the models propose with their better settings."""
        used = {name for weights in in_force.blends.values() for name, weight in weights.items() if weight > 0}
        names = sorted(used.union(self.also))
        self.progress("propose", 0, 1)
        proposals, reference = self._proposals(names, in_force, tuned, searched)
        self.progress("propose", 1, 1)
        # Other proposals are another question: what was tried before is then no answer.
        made_by = crc32(json.dumps({name: tuned.values(name) for name in names}).encode())
        blends, found = dict(in_force.blends), []
        for done, placement in enumerate(searched):
            explored = self._explore(
                f"blend.{placement}",
                f"blend.{placement} of {made_by:08x}",
                dict.fromkeys(names, WEIGHT),
                _as_values(in_force.blends[placement], names),
                partial(_score, proposals[placement]),
                self._slice(BLENDS_UNTIL, len(searched) - done),
                self.trials,
                reference[placement],
            )
            if explored is not None:
                found.append(_found(placement, placement, explored))
                if explored.improved:
                    blends[placement] = weights_of(explored.best.values)
        return replace(tuned, blends=blends), found

    def _explore(
        self,
        series: str,
        name: str,
        space: Space,
        in_force: Mapping[str, Value],
        score: Callable[[Mapping[str, Value]], float],
        ends_at: float,
        most: int | None,
        reference: float | None = None,
    ) -> Explored | None:
        study, began = self.studies.study(name), self.seconds()
        total = max(int(ends_at - began), 1)

        def go_on(trials: int) -> bool:
            self.progress(series, min(int(self.seconds() - began), total), total)
            return self.seconds() < ends_at and (most is None or trials < most)

        explored = explore(study, space, in_force, score, go_on, partial(self.tracking.trial, series), reference)
        self.progress(series, total, total)
        if explored is not None:
            self.tracking.study(series, study, explored.in_force.score, self.seed)
        return explored

    def _slice(self, until: float, shared_by: int) -> float:
        """When the first of ``shared_by`` studies ends that have equal parts of the time that is left."""
        now, end = self.seconds(), self.began + until * self.time
        return now + max(end - now, 0.0) / shared_by

    def _where_it_counts(self, model: str, blends: Blends) -> str:
        """The placement, of those with enough questions, in whose blend the model has the largest share."""
        asked = placements_with_enough(self.folds)
        return max(asked, key=lambda place: blends[place].get(model, 0.0) / sum(blends[place].values()))

    def _alone(self, model: str, placement: str, in_force: ModelSettings, values: Mapping[str, Value]) -> float:
        settings = in_force.with_values(model, values)
        with threadpool_limits(1, "blas"):
            return _score(
                [
                    Proposals.of(fold.asked[placement], {model: settings.fit(model, fold.earlier, self.seed)})
                    for fold in self.folds
                ],
                {model: 1.0},
            )

    def _proposals(
        self, names: Sequence[str], in_force: ModelSettings, tuned: ModelSettings, placements: Sequence[str]
    ) -> tuple[dict[str, list[Proposals]], dict[str, float]]:
        """Placement to what the tuned models propose in each fold, and to the score of what is in force."""
        found: dict[str, list[Proposals]] = {placement: [] for placement in placements}
        reached: dict[str, list[float]] = {placement: [] for placement in placements}
        with threadpool_limits(1, "blas"):
            for fold in self.folds:
                models = {name: tuned.fit(name, fold.earlier, self.seed) for name in names}
                changed = [name for name in names if tuned.values(name) != in_force.values(name)]
                present = models | {name: in_force.fit(name, fold.earlier, self.seed) for name in changed}
                for placement in placements:
                    asked, weights = fold.asked[placement], in_force.blends[placement]
                    found[placement].append(Proposals.of(asked, models))
                    used = {name: present[name] for name in names if weights.get(name)}
                    reached[placement].append(float(Proposals.of(asked, used).ndcg(weights).mean()))
        return found, {placement: float(np.mean(scores)) for placement, scores in reached.items()}


def weights_of(values: Mapping[str, Value]) -> dict[str, float]:
    """The blend that tried values stand for: the strongest counts 1, those with hardly any weight are left out."""
    most = max(float(value) for value in values.values())
    weights = {name: round(float(value) / most, 4) for name, value in values.items() if value >= LEAST_WEIGHT * most}
    return dict(sorted(weights.items(), key=lambda item: -item[1]))


def _as_values(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, Value]:
    most = max(weights.values())
    return {name: max(weights.get(name, 0.0) / most, WEIGHT.low) for name in names}


def _score(proposals: Sequence[Proposals], values: Mapping[str, Value]) -> float:
    """NDCG@20, each fold as much as the other."""
    weights = weights_of(values)
    return float(np.mean([each.ndcg(weights).mean() for each in proposals]))


def _found(name: str, placement: str, explored: Explored) -> StudyFound:
    best = explored.best
    return StudyFound(name, placement, explored.trials, explored.in_force.score, best.score, best.values)
