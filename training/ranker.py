"""Ranked: candidates of several models in the order that a ranker, gradient-boosted on replayed time, gives them.

Fitting replays the last part of the training period in rolling folds: the sources are fitted on what came before each
fold and asked what came after, which gives the rows that the trees learn the order of the list from. Then the sources
are fitted again on everything. Where the data hold too few questions for that, the list is a blend by rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

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
from training.folds import LONGEST_HISTORY, Objective, Replayed, excluded, held_out_folds, in_visits, rolling_folds
from training.interactions import Floats, History, Interactions, Ints
from training.ranking_features import Signals, feature_names
from training.trees import Trees

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
    candidates: int = 150
    """How many are ranked."""
    folds: int = 5
    share: float = 0.5
    """The last part of the interactions that is replayed."""
    questions: int = 16_000
    """At most about this many are replayed, over all folds."""
    fewest_questions: int = 200
    """With fewer to learn from, the list stays a blend."""
    rounds: int = 80
    threads: int = 2


class _Chosen(NamedTuple):
    """Candidates in the order of the blend: ``item`` [c], ``score`` and ``place`` [sources, c], ``blend`` [c]."""

    item: Ints
    score: Floats
    place: Ints
    blend: Floats


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything that is fitted on one span of interactions."""

    models: Mapping[str, CandidateModel]
    signals: Signals

    @classmethod
    def fit(cls, interactions: Interactions, objective: Objective, seed: int) -> Self:
        visits = in_visits(interactions)
        together = replace(visits, user=visits.session, n_users=visits.n_sessions)
        models: dict[str, CandidateModel] = {
            SessionKnn.name: SessionKnn.fit(visits, seed, STAN if objective.visit else OF_A_CUSTOMER),
            Covisitation.name: Covisitation.fit(visits, seed, None if objective.visit else AROUND_A_PURCHASE),
            # The low-pass part costs most of the fitting and adds nothing to what the other sources find.
            GraphFilter.name: GraphFilter.fit(together, seed, GraphFilterSettings(factors=0, neighbours=100)),
            Popular.name: Popular.fit(interactions, seed),
        }
        return cls(models, Signals.fit(visits, seed))

    def choose(self, history: History, hidden: Ints, n: int) -> _Chosen:
        """The ``n`` items that the sources agree on most: weights over places, as in reciprocal rank fusion."""
        asked = n + len(hidden)
        lists = [model.propose(history, asked) for model in self.models.values()]
        every, at = np.unique(np.concatenate([each.item for each in lists]), return_inverse=True)
        source = np.repeat(np.arange(len(lists)), [len(each.item) for each in lists])
        place = np.full((len(lists), len(every)), -1, np.int32)
        place[source, at] = np.concatenate([np.arange(len(each.item), dtype=np.int32) for each in lists])
        score = np.zeros((len(lists), len(every)), np.float32)
        score[source, at] = np.concatenate([each.score for each in lists])
        weight = np.array([SOURCES[name] for name in self.models])[:, None]
        blend = np.where(place >= 0, weight / (place + 10.0), 0.0).sum(axis=0)
        if len(hidden):
            blend[np.isin(every, hidden)] = 0.0
        best = np.lexsort((every, -blend))[:n]
        best = best[blend[best] > 0]
        return _Chosen(
            every[best].astype(np.int32),
            np.ascontiguousarray(score[:, best]),
            np.ascontiguousarray(place[:, best]),
            blend[best].astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores lie in (0, 1] and say nothing but the order."""

    name: ClassVar[str] = "ranked"

    sources: _Sources
    trees: Trees | None
    settings: RankedSettings = field(default_factory=RankedSettings)

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: RankedSettings | None = None) -> Self:
        settings = settings or RankedSettings()
        trees = _learn(interactions, settings, seed)
        return cls(_Sources.fit(interactions, settings.objective, seed), trees, settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The best ``n`` items but those that the objective excludes; behind the ranked ones, the blend's."""
        if n < 1:
            return NONE
        s = self.settings
        hidden = excluded(history, s.objective.exclude)
        recent = latest(history)
        chosen = self.sources.choose(recent, hidden, max(n, s.candidates))
        if not len(chosen.item):
            return NONE
        if self.trees is None:
            order = np.arange(len(chosen.item))
        else:
            head = slice(0, s.candidates)
            rows = self.sources.signals.features(
                recent, chosen.item[head], chosen.score[:, head].copy(), chosen.place[:, head].copy()
            )
            ranked = np.argsort(-self.trees.score(rows), kind="stable")
            order = np.concatenate([ranked, np.arange(len(ranked), len(chosen.item))])
        order = order[:n]
        return Candidates(chosen.item[order], (1.0 / np.arange(1, len(order) + 1)).astype(np.float32))

    def because(self, history: History, item: int) -> int | None:
        """The reason of the first source that has one."""
        recent = latest(history)
        for model in self.sources.models.values():
            position = model.because(recent, item)
            if position is not None:
                return position + len(history.item) - len(recent.item)
        return None

    def save(self, folder: Path) -> None:
        for name, model in self.sources.models.items():
            (folder / name).mkdir()
            model.save(folder / name)
        self.sources.signals.save(folder)
        if self.trees is not None:
            self.trees.save(folder)
        write_settings(
            folder, asdict(self.settings) | {"sources": list(self.sources.models), "trees": self.trees is not None}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = read_settings(folder)
        try:
            names, has_trees = stored.pop("sources"), stored.pop("trees")
            objective = stored.pop("objective")
            target = objective.pop("target")
            exclude = Exclude(objective.pop("exclude"))
            settings = RankedSettings(
                objective=Objective(**objective, target=None if target is None else Kind(target), exclude=exclude),
                **stored,
            )
            types = {name: CANDIDATES[name] for name in names}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        models = {name: model.load(folder / name) for name, model in types.items()}
        trees = Trees.load(folder) if has_trees else None
        n_features = len(feature_names(tuple(names)))
        if trees is not None and trees.feature.max(initial=-1) >= n_features:
            raise Corrupt(f"{folder / 'tree_feature.npy'} names a feature beyond the {n_features} there are")
        return cls(_Sources(models, Signals.load(folder)), trees, settings)


class RankedPlain(Ranked):
    """The same without the taxonomy, to measure what that brings."""

    __slots__ = ()
    name: ClassVar[str] = "ranked_plain"

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: RankedSettings | None = None) -> Self:
        without = replace(interactions, taxonomy=None)
        settings = settings or RankedSettings()
        return cls(_Sources.fit(without, settings.objective, seed), _learn(without, settings, seed), settings)


def latest(history: History) -> History:
    """The newest interactions of a history, as many as online features keep."""
    if len(history.item) <= LONGEST_HISTORY:
        return history
    return replace(
        history,
        item=history.item[-LONGEST_HISTORY:],
        kind=history.kind[-LONGEST_HISTORY:],
        time=history.time[-LONGEST_HISTORY:],
        in_session=history.in_session[-LONGEST_HISTORY:],
    )


class _Rows(NamedTuple):
    """Training rows: ``features`` float32 [n, f], ``label`` int8 [n], ``group`` int32 [lists]."""

    features: Floats
    label: Any
    group: Ints


def _learn(interactions: Interactions, settings: RankedSettings, seed: int) -> Trees | None:
    most, asked = settings.questions // settings.folds, settings.objective
    if asked.within:
        folds = held_out_folds(interactions, asked, settings.folds, most, seed)
    else:
        folds = rolling_folds(interactions, asked, settings.folds, settings.share, most, seed)
    parts = [
        training_rows(_Sources.fit(fold.earlier, asked, seed), fold.questions, settings)
        for fold in folds
        if len(fold.earlier)
    ]
    parts = [part for part in parts if len(part.group)]
    if sum(len(part.group) for part in parts) < settings.fewest_questions:
        return None
    features, label, group = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Trees.fit(features, label, group, settings.rounds, seed, settings.threads)


def training_rows(sources: _Sources, questions: Sequence[Replayed], settings: RankedSettings) -> _Rows:
    """The candidates of each question whose right answer is among them; the others teach no order."""
    rows, labels, group = [], [], []
    for history, relevant in questions:
        chosen = sources.choose(history, excluded(history, settings.objective.exclude), settings.candidates)
        label = np.isin(chosen.item, relevant)
        if label.any() and not label.all():
            rows.append(sources.signals.features(history, chosen.item, chosen.score, chosen.place))
            labels.append(label.astype(np.int8))
            group.append(len(label))
    if not rows:
        return _Rows(np.empty((0, 0), np.float32), np.empty(0, np.int8), np.empty(0, np.int32))
    return _Rows(np.concatenate(rows), np.concatenate(labels), np.array(group, np.int32))
