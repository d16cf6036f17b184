"""The hold-out: the latest sessions, kept from a first fit so that a version can be compared before it is used.

The split is one moment for the whole shop: what is asked lies after everything that was learnt from. A session that
goes on over that moment is not learnt from, and asked about only from then on.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from training.blend import DEPTH, Recipe
from training.candidates.candidate import CandidateModel, Candidates
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.interactions import History, Interactions, Ints
from training.past import Past

K: Final = 20


@dataclass(frozen=True, slots=True)
class Question:
    history: History
    """What online features would know just before the customer went on."""
    item: int
    """What the customer went to next."""
    session: int


def split(interactions: Interactions, share: float, most: int, seed: int) -> tuple[Interactions, list[Question]]:
    """The interactions of all but the sessions that end latest, ``share`` of them, and about ``most`` questions about
    what happened in those after all that is learnt from."""
    end = np.zeros(interactions.n_sessions, np.int64)
    np.maximum.at(end, interactions.session, interactions.time)
    cut = np.quantile(end, 1.0 - share, method="lower")
    later = np.flatnonzero(end > cut)
    earlier = interactions.part(end[interactions.session] <= cut)
    per_session = len(interactions) / interactions.n_sessions
    asked = np.random.default_rng(seed).permutation(later)[: max(int(most / per_session), 1)]
    return earlier, _questions(interactions, int(earlier.time.max(initial=0)), np.sort(asked))


def _questions(interactions: Interactions, learnt_until: int, sessions: Ints) -> list[Question]:
    """Every step of the ``sessions`` after ``learnt_until``, wherever anything is known of the customer before it."""
    past = Past.of(interactions)
    start = np.searchsorted(interactions.session, sessions)
    stop = np.searchsorted(interactions.session, sessions, side="right")
    questions = []
    for number, (first, last) in enumerate(zip(start.tolist(), stop.tolist(), strict=True)):
        user, market = int(interactions.user[first]), int(interactions.market[first])
        for at in range(first, last):
            now = int(interactions.time[at])
            if now > learnt_until:
                history = past.at(user, now, market)
                if len(history.item):
                    questions.append(Question(history, int(interactions.item[at]), number))
    return questions


@dataclass(frozen=True, slots=True)
class Answers:
    """What one recipe answered to the q questions."""

    shown: Ints
    """int32 [q, K] best first, -1 where the list is shorter."""
    place: Ints
    """int32 [q], from 1, of what the customer went to; 0 where it is not shown."""
    proposal_ms: float
    """Median time, on one thread, that it took for a question, its models included."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """HR@20 and MRR@20 of each recipe, ``<recipe>.hr_20``, and of ``home`` over each other one, with intervals.

    Where customers came back and bought, Recall@20 and NDCG@20 of their next order too (``training/returning.py``).
    """

    figures: Mapping[str, Interval]
    questions: int
    answers: Mapping[str, Answers] = field(default_factory=dict, compare=False, repr=False)
    """Recipe to what it answered."""

    def metrics(self) -> dict[str, float]:
        """Flat, as MLflow and the manifest keep them: ``<figure>``, ``<figure>.low``, ``<figure>.high``."""
        flat: dict[str, float] = {}
        for name, figure in self.figures.items():
            flat |= {name: figure.value, f"{name}.low": figure.low, f"{name}.high": figure.high}
        return flat


def compare(
    questions: list[Question],
    models: Mapping[str, CandidateModel],
    recipes: Mapping[str, Recipe],
    seed: int,
    asked: Callable[[int], None] = lambda n: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Comparison:
    """Ask all recipes the same questions; ``home`` is the one compared with the others."""
    if not questions:
        return Comparison({}, 0)
    shown = np.full((len(recipes), len(questions), K), -1, np.int32)
    took = np.zeros((len(recipes), len(questions)))
    for index, question in enumerate(questions):
        asked_now = [recipe.at(question.history) for recipe in recipes.values()]
        proposals: dict[str, Candidates] = {}
        proposing: dict[str, float] = {}
        for name in {name for recipe in asked_now for name in recipe.weights if name in models}:
            began = clock()
            proposals[name] = models[name].propose(question.history, DEPTH)
            proposing[name] = clock() - began
        for row, recipe in enumerate(asked_now):
            began = clock()
            items = recipe.answer(proposals, question.history, K).item
            took[row, index] = clock() - began + sum(proposing.get(name, 0.0) for name in recipe.weights)
            shown[row, index, : len(items)] = items
        if index % 100 == 99:
            asked(index + 1)
    wanted = np.array([question.item for question in questions], np.int32)
    answers = {
        recipe: Answers(
            shown[row],
            _places(shown[row], wanted),
            float(np.median(took[row]) * 1000),
        )
        for row, recipe in enumerate(recipes)
    }
    values = np.stack([metric for found in answers.values() for metric in metrics_of(found.place)], axis=1)
    cluster = np.array([question.session for question in questions], np.int32)
    draws = draw_means(values, cluster, int(cluster.max()) + 1, seed)
    return Comparison(_figures(list(recipes), values.mean(axis=0), draws), len(questions), answers)


def metrics_of(place: Ints) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """HR and MRR of each question, [q], from the place at which its answer stands, 0 for nowhere."""
    found = place > 0
    return found.astype(np.float64), np.where(found, 1.0 / np.maximum(place, 1), 0.0)


def _places(shown: Ints, wanted: Ints) -> Ints:
    hit = shown == wanted[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 0).astype(np.int32)


def _figures(recipes: list[str], means: npt.NDArray[np.float64], draws: npt.NDArray[np.float64]) -> dict[str, Interval]:
    figures: dict[str, Interval] = {}
    home = recipes.index("home")
    for offset, metric in enumerate((f"hr_{K}", f"mrr_{K}")):
        ours = 2 * home + offset
        for column, recipe in enumerate(recipes):
            theirs = 2 * column + offset
            figures[f"{recipe}.{metric}"] = interval(means[theirs], draws[:, theirs])
            if theirs != ours:
                difference = means[ours] - means[theirs]
                figures[f"over_{recipe}.{metric}"] = interval(difference, draws[:, ours] - draws[:, theirs])
    return figures
