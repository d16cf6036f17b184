"""Ranked: candidates of several models in the order that a ranker gives them, as one model that fits all of it.

Fitting replays the last part of the training period in rolling folds, which teaches the ranker; then the sources are
fitted again on everything. Where the data hold too few questions for that, the list is what the sources agree on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt
from training.arrays import read_settings, write_settings
from training.candidates import MODELS as CANDIDATES
from training.candidates.candidate import NONE, CandidateModel, Candidates
from training.candidates.covisitation import Covisitation, CovisitationSettings
from training.candidates.graph_filter import GraphFilter, GraphFilterSettings
from training.candidates.popular import Popular
from training.candidates.session_knn import STAN, SessionKnn
from training.evaluation.task import Exclude
from training.folds import Fold, Objective, excluded, held_out_folds, in_visits, rolling_folds
from training.fusion import fused
from training.interactions import History, Interactions
from training.probability import UNCALIBRATED
from training.ranker import Ranker, RankerSettings, Rows, latest, learnt, replayed_rows
from training.ranking_features import Signals

SOURCES: Final[Mapping[str, float]] = {
    SessionKnn.name: 1.0,
    Covisitation.name: 0.7,
    GraphFilter.name: 0.3,
    Popular.name: 0.05,
}
"""What proposes, with its weight in the choice of the candidates."""

OF_A_CUSTOMER: Final = replace(STAN, click_scale=8.0, length=30)
"""Asked about a customer and not within a visit, more of what they did counts, and fades more slowly."""
AROUND_A_PURCHASE: Final = CovisitationSettings(
    age_days=0.0, popularity=0.0, wish=1.0, cart=1.0, buy=1.0, click_decay=0.95, gap_days=1 / 24, backward=1.0
)
"""The same for co-visitation: what is near in time matters, whatever was done and in whichever order.

Both did best on purchases held out of the training file of a public shop."""


@dataclass(frozen=True, slots=True)
class RankedSettings:
    objective: Objective = field(default_factory=Objective)
    ranker: RankerSettings = field(default_factory=RankerSettings)
    folds: int = 5
    share: float = 0.5
    """The last part of the interactions that is replayed."""
    questions: int = 16_000
    """At most about this many are replayed, over all folds."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """``ranker`` is None where there was too little to learn from. Scores say nothing but the order."""

    name: ClassVar[str] = "ranked"

    sources: Mapping[str, CandidateModel]
    ranker: Ranker | None
    settings: RankedSettings = field(default_factory=RankedSettings)

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: RankedSettings | None = None) -> Self:
        settings = settings or RankedSettings()
        parts = [_rows(fold, settings, seed) for fold in _folds(interactions, settings, seed) if len(fold.earlier)]
        trees = learnt(parts, settings.ranker, seed)
        sources = _sources(interactions, settings.objective, seed)
        if trees is None:
            return cls(sources, None, settings)
        signals = Signals.fit(in_visits(interactions), seed)
        return cls(sources, Ranker(SOURCES, signals, trees, UNCALIBRATED, settings.ranker), settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The best ``n`` items but those that the objective excludes."""
        if n < 1:
            return NONE
        recent, hidden = latest(history), excluded(history, self.settings.objective.exclude)
        asked = max(n, self.settings.ranker.candidates) + len(hidden)
        proposals = {name: model.propose(recent, asked) for name, model in self.sources.items()}
        if self.ranker is None:
            item = fused(proposals, SOURCES, n, hidden).item
        else:
            item = self.ranker.rank(recent, proposals, n, hidden).item
        return Candidates(item, (1.0 / np.arange(1, len(item) + 1)).astype(np.float32))

    def because(self, history: History, item: int) -> int | None:
        """The reason of the first source that has one."""
        recent = latest(history)
        for model in self.sources.values():
            position = model.because(recent, item)
            if position is not None:
                return position + len(history.item) - len(recent.item)
        return None

    def save(self, folder: Path) -> None:
        for name, model in self.sources.items():
            (folder / name).mkdir()
            model.save(folder / name)
        if self.ranker is not None:
            (folder / "ranker").mkdir()
            self.ranker.save(folder / "ranker")
        write_settings(folder, asdict(self.settings) | {"ranked": self.ranker is not None})

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = read_settings(folder)
        try:
            ranked, objective = stored.pop("ranked"), stored.pop("objective")
            target, exclude = objective.pop("target"), Exclude(objective.pop("exclude"))
            settings = RankedSettings(
                objective=Objective(**objective, target=None if target is None else Kind(target), exclude=exclude),
                ranker=RankerSettings(**stored.pop("ranker")),
                **stored,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        sources = {name: CANDIDATES[name].load(folder / name) for name in SOURCES}
        return cls(sources, Ranker.load(folder / "ranker") if ranked else None, settings)


class RankedPlain(Ranked):
    """The same without the taxonomy, to measure what that brings."""

    __slots__ = ()
    name: ClassVar[str] = "ranked_plain"

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: RankedSettings | None = None) -> Self:
        fitted = Ranked.fit(replace(interactions, taxonomy=None), seed, settings)
        return cls(fitted.sources, fitted.ranker, fitted.settings)


def _sources(interactions: Interactions, objective: Objective, seed: int) -> dict[str, CandidateModel]:
    visits = in_visits(interactions)
    together = replace(visits, user=visits.session, n_users=visits.n_sessions)
    return {
        SessionKnn.name: SessionKnn.fit(visits, seed, STAN if objective.visit else OF_A_CUSTOMER),
        Covisitation.name: Covisitation.fit(visits, seed, None if objective.visit else AROUND_A_PURCHASE),
        # Evening out its leading directions costs most of the fitting, and other sources find as much without.
        GraphFilter.name: GraphFilter.fit(together, seed, GraphFilterSettings(0.3, 0.4, factors=0, neighbours=100)),
        Popular.name: Popular.fit(interactions, seed),
    }


def _folds(interactions: Interactions, settings: RankedSettings, seed: int) -> Iterator[Fold]:
    most = settings.questions // settings.folds
    if settings.objective.within:
        return held_out_folds(interactions, settings.objective, settings.folds, most, seed)
    return rolling_folds(interactions, settings.objective, settings.folds, settings.share, most, seed)


def _rows(fold: Fold, settings: RankedSettings, seed: int) -> Rows:
    objective = settings.objective
    models = _sources(fold.earlier, objective, seed)
    signals = Signals.fit(in_visits(fold.earlier), seed)
    return replayed_rows(fold.questions, models, SOURCES, signals, settings.ranker, objective.exclude)
