"""Rankers of other settings, taught as ``train`` teaches its own, and how well each puts its candidates in order."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from training.blend import TAUGHT_BY
from training.candidates.candidate import CandidateModel
from training.evaluation.metrics import Values, per_question
from training.evaluation.task import Metric
from training.folds import in_visits
from training.interactions import Interactions
from training.lessons import Fit, Subject, lessons
from training.probability import UNCALIBRATED
from training.ranker import Ranker
from training.ranking_features import Signals
from training.rehearsal import RANKERS, Taught
from training.search.proposals import K, ask
from training.search.questions import Asked
from training.shown_answers import ShownAnswers

RANKER_OF: Final[Mapping[str, str]] = {placement: ranker for ranker, placement in TAUGHT_BY.items()}
"""Placement whose blend is searched to the ranker that puts it in order."""


def teach(
    earlier: Interactions,
    shown: ShownAnswers,
    subjects: Sequence[Subject],
    fit: Fit,
    questions: int,
    seed: int,
    folded: Callable[[int], None] = lambda n: None,
) -> dict[Subject, Ranker]:
    """A ranker for each subject of which ``earlier`` holds enough lessons; none where no ``questions`` are replayed.

    Their scores tell an order and no probability. ``folded`` is told how many folds of the past are replayed.
    """
    if not questions:
        return {}
    replayed = lessons(earlier, subjects, fit, RANKERS, questions, seed, shown, folded)
    signals = Signals.fit(in_visits(earlier), seed)
    found = {}
    for subject in subjects:
        taught = Taught(dict(subject.weights), replayed[subject], UNCALIBRATED)
        ranker = taught.ranker(subject.kind, signals, seed)
        if ranker is not None:
            found[subject] = ranker
    return found


def ranked_ndcg(asked: Sequence[Asked], models: Mapping[str, CandidateModel], ranker: Ranker) -> Values:
    """NDCG@20 of each question, float64 [q], when ``ranker`` orders what ``models`` propose."""
    proposed = {name: ask(model, asked) for name, model in models.items()}
    hits = np.zeros((len(asked), K), np.bool_)
    for index, question in enumerate(asked):
        proposals = {name: each[index] for name, each in proposed.items()}
        items = ranker.rank(question.history, proposals, K, question.hidden).item
        hits[index, : len(items)] = np.isin(items, question.relevant)
    sizes = np.array([len(question.relevant) for question in asked], np.int32)
    return per_question(Metric.NDCG, K, hits, sizes)
