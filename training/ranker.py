"""The ranker: puts the candidates of several models in order, by gradient-boosted trees learnt on replayed time.

It learns by asking questions of the past: models that were fitted on what came before a moment propose candidates for
what customers did after it, and the trees learn which of them were right. ``training/ranking_features.py`` is what
they see of a candidate, the same function then and when a customer waits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from feature_repo.errors import Corrupt
from training.arrays import read_settings, write_settings
from training.candidates.candidate import CandidateModel, Candidates
from training.evaluation.task import Exclude
from training.folds import LONGEST_HISTORY, Replayed, excluded
from training.fusion import EMPTY, Blended, Fused, blended, fused
from training.interactions import Floats, History, Ints
from training.probability import Calibration
from training.ranking_features import Signals, feature_names
from training.shown_answers import ShownList
from training.trees import Trees

NOTHING: Final[Ints] = np.empty(0, np.int32)
BEHIND: Final = 0.99
"""Each candidate behind the ranked ones scores this much of the one before it."""


@dataclass(frozen=True, slots=True)
class RankerSettings:
    candidates: int = 150
    """How many are ranked; more than these follow as the sources agree on them."""
    fewest_lists: int = 200
    """With fewer lists to learn an order from, there is no ranker."""
    rounds: int = 80
    """Trees."""
    threads: int = 1
    """More of them wait for each other busily, which costs the service beside a training more than it gains."""
    length: int = LONGEST_HISTORY
    """Newest interactions of a history that are looked at."""


class Rows(NamedTuple):
    """Lists with their right answers: ``features`` float32 [n, f]; ``label`` int8 [n], 1 for what the customer went
    to; ``group`` int32 [lists], how many rows in turn make a list; ``place`` int32 [n], from 1, where the customer saw
    the item, 0 in lists that nobody saw."""

    features: Floats
    label: npt.NDArray[np.int8]
    group: Ints
    place: Ints

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """All lists of all parts, of which at least one holds a list."""
        features, label, group, place = zip(*(part for part in parts if len(part.group)), strict=True)
        return cls(np.concatenate(features), np.concatenate(label), np.concatenate(group), np.concatenate(place))

    def teaching(self) -> Self:
        """The lists that hold both a right answer and a wrong one; the others teach no order."""
        if not len(self.group):
            return self
        start = np.concatenate(([0], np.cumsum(self.group)[:-1])).astype(np.int64)
        right = np.add.reduceat(self.label.astype(np.int64), start)
        kept = (right > 0) & (right < self.group)
        if kept.all():
            return self
        rows = np.repeat(kept, self.group)
        return type(self)(self.features[rows], self.label[rows], self.group[kept], self.place[rows])


NO_ROWS: Final = Rows(np.empty((0, 0), np.float32), np.empty(0, np.int8), NOTHING, NOTHING)


@dataclass(frozen=True, slots=True)
class Ranker:
    """``weights``: source to its weight in the choice of what is ranked; their order is that of the features."""

    weights: Mapping[str, float]
    signals: Signals
    trees: Trees
    calibration: Calibration
    settings: RankerSettings

    def rank(self, history: History, proposals: Mapping[str, Candidates], n: int, hidden: Ints = NOTHING) -> Blended:
        """The best ``n`` of what the sources propose, without the ``hidden`` items.

        A score is the probability that the customer goes to this item next; behind the ranked ones it falls slowly.
        An item that nobody has touched yet keeps its place in the blend: the trees know items by what was done with
        them. It has the score of the one that it stands before.
        """
        chosen = fused(proposals, self.weights, max(n, self.settings.candidates), hidden)
        order, score = self._order(history, chosen)
        names = tuple(self.weights)
        new, at = self._untouched(proposals, n, hidden)
        if len(at):
            known = ~np.isin(chosen.item[order], new.item)
            order, score = order[known], score[known]
        source = tuple(names[index] for index in chosen.strongest[order[:n]].tolist())
        return _inserted(Blended(chosen.item[order[:n]], score[:n], source), new, at, n)

    def _untouched(self, proposals: Mapping[str, Candidates], n: int, hidden: Ints) -> tuple[Blended, Ints]:
        """The items among the blend's best ``n`` that nobody has touched, and their places there."""
        if not any(self.signals.untouched(each.item).any() for each in proposals.values()):
            return EMPTY, NOTHING
        # As deep as the trees rank, so that the place of one does not depend on how many are asked for.
        blend = blended(proposals, self.weights, max(n, self.settings.candidates), hidden)
        at = np.flatnonzero(self.signals.untouched(blend.item)).astype(np.int32)
        return Blended(blend.item[at], blend.score[at], tuple(blend.source[place] for place in at.tolist())), at

    def _order(self, history: History, chosen: Fused) -> tuple[Ints, Floats]:
        """Which candidate comes first, second, …, and their scores in that order."""
        ranked = min(self.settings.candidates, len(chosen.item))
        raw = self.trees.score(rows_of(self.signals, history, chosen, ranked, self.settings.length))
        order = np.argsort(-raw, kind="stable")
        score = self.calibration.probability(raw[order])
        rest = np.arange(ranked, len(chosen.item))
        below = (score[-1] if ranked else 1.0) * BEHIND ** np.arange(1, len(rest) + 1)
        return np.concatenate([order, rest]), np.concatenate([score, below]).astype(np.float32)

    def save(self, folder: Path) -> None:
        self.signals.save(folder)
        self.trees.save(folder)
        # A list, for settings are written in the order of their names, and the order of the sources has a meaning.
        sources = [[name, weight] for name, weight in self.weights.items()]
        write_settings(folder, asdict(self.settings) | {"sources": sources, "calibration": asdict(self.calibration)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Corrupt, naming the file, when anything is missing or does not fit."""
        stored = read_settings(folder)
        try:
            weights = {str(name): float(weight) for name, weight in stored.pop("sources")}
            calibration = Calibration(**stored.pop("calibration"))
            settings = RankerSettings(**stored)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        trees = Trees.load(folder)
        n_features = len(feature_names(tuple(weights)))
        if trees.feature.max(initial=-1) >= n_features:
            raise Corrupt(f"{folder / 'tree_feature.npy'} names a feature beyond the {n_features} there are")
        return cls(weights, Signals.load(folder), trees, calibration, settings)


def _inserted(ranked: Blended, new: Blended, at: Ints, n: int) -> Blended:
    """The best ``n`` of a list with ``new`` items standing at the places ``at``, ascending."""
    if not len(at):
        return ranked
    if not len(ranked.item):
        return Blended(new.item[:n], new.score[:n], new.source[:n])
    # Where each stands in the list without those before it.
    before = np.minimum(at - np.arange(len(at)), len(ranked.item))
    score = ranked.score[np.minimum(before, len(ranked.item) - 1)]
    source = np.insert(np.array(ranked.source, object), before, np.array(new.source, object))
    return Blended(
        np.insert(ranked.item, before, new.item)[:n], np.insert(ranked.score, before, score)[:n], tuple(source[:n])
    )


def replayed_rows(
    questions: Sequence[Replayed],
    models: Mapping[str, CandidateModel],
    weights: Mapping[str, float],
    signals: Signals,
    settings: RankerSettings,
    exclude: Exclude = Exclude.NONE,
) -> Rows:
    """What the ranker would see of each question, and what was right; questions without a candidate are left out.

    ``models`` and ``signals`` were fitted on what came before the questions.
    """
    features, labels, group = [], [], []
    for history, relevant in questions:
        hidden = excluded(history, exclude)
        proposals = {name: models[name].propose(history, settings.candidates + len(hidden)) for name in weights}
        chosen = fused(proposals, weights, settings.candidates, hidden)
        if len(chosen.item):
            features.append(rows_of(signals, history, chosen, len(chosen.item), settings.length))
            labels.append(np.isin(chosen.item, relevant).astype(np.int8))
            group.append(len(chosen.item))
    if not group:
        return NO_ROWS
    label = np.concatenate(labels)
    return Rows(np.concatenate(features), label, np.array(group, np.int32), np.zeros(len(label), np.int32))


def shown_rows(
    lists: Sequence[ShownList],
    models: Mapping[str, CandidateModel],
    weights: Mapping[str, float],
    signals: Signals,
    settings: RankerSettings,
) -> Rows:
    """What the ranker sees of each item that was shown, whether or not ``models`` would propose it today."""
    if not lists:
        return NO_ROWS
    features = []
    for history, item, _, _ in lists:
        proposals = {name: models[name].propose(history, settings.candidates) for name in weights}
        every = fused(proposals, weights, settings.candidates * len(weights), NOTHING)
        features.append(_rows_of_some(signals, history, every, item, settings))
    return Rows(
        np.concatenate(features),
        np.concatenate([each.label for each in lists]),
        np.array([len(each.item) for each in lists], np.int32),
        np.concatenate([each.place + 1 for each in lists]),
    )


def _rows_of_some(signals: Signals, history: History, every: Fused, item: Ints, settings: RankerSettings) -> Floats:
    """The rows of these items among all that is ranked: float32 [len(item), f].

    A row tells of its item beside the others, of which an answer shows only some. An item that would not be ranked
    today is seen behind those that are, whose rows stay the same.
    """
    ranked = every.item[: settings.candidates]
    behind = np.setdiff1d(item, ranked)
    rows = rows_of(signals, history, every, len(ranked), settings.length)
    if len(behind):
        both = _only(every, np.concatenate([ranked, behind]))
        rows = np.concatenate([rows, rows_of(signals, history, both, len(both.item), settings.length)[len(ranked) :]])
    at = {one: row for row, one in enumerate([*ranked.tolist(), *behind.tolist()])}
    return rows[[at[one] for one in item.tolist()]]


def _only(every: Fused, item: Ints) -> Fused:
    """These items, with what the sources say of them; of those they do not propose, nothing."""
    at = {one: index for index, one in enumerate(every.item.tolist())}
    known = np.array([at.get(one, -1) for one in item.tolist()])
    proposed = known >= 0
    score = np.zeros((len(every.score), len(item)), np.float32)
    place = np.full(score.shape, -1, np.int32)
    score[:, proposed] = every.score[:, known[proposed]]
    place[:, proposed] = every.place[:, known[proposed]]
    return Fused(item, score, place, np.zeros(len(item), np.int64))


def learnt(parts: Sequence[Rows], settings: RankerSettings, seed: int) -> Trees | None:
    """Trees that put the right answers first; None where there are too few lists to learn from."""
    teaching = [part.teaching() for part in parts]
    if sum(len(part.group) for part in teaching) < max(settings.fewest_lists, 1):
        return None
    rows = Rows.joined(teaching)
    return Trees.fit(rows.features, rows.label, rows.group, settings.rounds, seed, settings.threads, rows.place)


def rows_of(signals: Signals, history: History, chosen: Fused, n: int, length: int) -> Floats:
    """The features of the first ``n`` candidates, from the newest ``length`` interactions: float32 [n, f]."""
    head = slice(0, n)
    recent = latest(history, length)
    return signals.features(recent, chosen.item[head], chosen.score[:, head].copy(), chosen.place[:, head].copy())


def latest(history: History, length: int = LONGEST_HISTORY) -> History:
    """The newest ``length`` interactions of a history; without a number as many as online features keep one by one."""
    if len(history.item) <= length:
        return history
    return replace(
        history,
        item=history.item[-length:],
        kind=history.kind[-length:],
        time=history.time[-length:],
        in_session=history.in_session[-length:],
    )
