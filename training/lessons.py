"""Lessons: the lists that the rankers of a version learn from, out of replayed time.

For each fold of the past the models are fitted on what came before it and asked what customers did in it. The same
fits serve both rankers: the one for the next step of a visit, and the one for the order of who comes back.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from training.blend import ORDER, VISIT
from training.candidates.candidate import CandidateModel
from training.folds import Replayed, before, cuts_of, in_visits
from training.interactions import Interactions
from training.next_order import NextOrder, next_orders
from training.next_step import next_steps
from training.ranker import RankerSettings, Rows, replayed_rows, shown_rows
from training.ranking_features import Signals
from training.shown_answers import ShownAnswers, lists_between

FOLDS: Final = 2
SHARE: Final = 0.4
"""The last part of the interactions that is replayed."""

Fit: TypeAlias = Callable[[Interactions, Collection[str]], Mapping[str, CandidateModel]]
"""Fits models by name."""


class Subject(NamedTuple):
    """What a ranker is taught: ``visit`` or ``order``, and the models, with their weights, whose candidates it sees."""

    kind: str
    weights: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, kind: str, weights: Mapping[str, float]) -> "Subject":
        return cls(kind, tuple(weights.items()))


Lessons: TypeAlias = Mapping[Subject, list[Rows]]


def lessons(
    interactions: Interactions,
    subjects: Sequence[Subject],
    fit: Fit,
    settings: Mapping[str, RankerSettings],
    questions: int,
    seed: int,
    shown: ShownAnswers,
    folded: Callable[[int], None] = lambda n: None,
) -> dict[Subject, list[Rows]]:
    """What each subject's ranker sees in each fold of ``interactions``; about ``questions`` for each, over all folds.

    To these come the answers that customers were shown in that time. ``folded`` is told how many folds are done.
    """
    found: dict[Subject, list[Rows]] = {subject: [] for subject in subjects}
    for number, (cut, until) in enumerate(_spans(interactions)):
        earlier = before(interactions, cut)
        asked = {
            VISIT: next_steps(interactions, cut, until, questions // FOLDS, seed),
            ORDER: replayed(next_orders(interactions, cut, until, questions // FOLDS, seed)),
        }
        seen = {kind: lists_between(shown, interactions, cut, until, kind == VISIT) for kind in asked}
        answerable = [subject for subject in subjects if asked[subject.kind] or seen[subject.kind]]
        models = fit(earlier, {name for subject in answerable for name, _ in subject.weights})
        signals = Signals.fit(in_visits(earlier), seed)
        for subject in answerable:
            kind, weights = subject.kind, dict(subject.weights)
            # What teaches nothing is let go at once: rows are the largest thing that a training holds.
            found[subject].append(replayed_rows(asked[kind], models, weights, signals, settings[kind]).teaching())
            found[subject].append(shown_rows(seen[kind], models, weights, signals, settings[kind]))
        folded(number + 1)
    return found


def replayed(orders: Sequence[NextOrder]) -> list[Replayed]:
    return [Replayed(order.history, order.bought) for order in orders]


def _spans(interactions: Interactions) -> Iterator[tuple[int, int]]:
    """From when to before when each fold is asked about; none where all interactions bear one time."""
    cuts = cuts_of(interactions, FOLDS, SHARE)
    for number, cut in enumerate(cuts[:-1]):
        yield cut, cuts[number + 1] + (number == len(cuts) - 2)
