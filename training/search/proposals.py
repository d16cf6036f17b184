"""Proposals of several models to the same questions, kept so that thousands of blends of them are cheap to try."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from training.blend import DEPTH
from training.candidates.candidate import CandidateModel, Candidates, propose_all
from training.candidates.compiled import compiled
from training.evaluation.metrics import Hits, Values, per_question
from training.evaluation.task import Metric
from training.interactions import Floats, Ints, Longs
from training.search.questions import NONE, Asked

K: Final = 20
BATCH: Final = 100
"""Questions asked in one go, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Proposals:
    """The items that any of m models proposes to q questions, each question's in rows ``start[i]`` to ``start[i+1]``.

    ``score`` float32 [rows, m]: a model's score divided by its best one for the question, 0 where it does not propose
    the item; ``right`` bool [rows]; ``n_relevant`` int32 [q], also of what nobody proposes; ``visit`` int32 [q].
    """

    models: tuple[str, ...]
    start: Longs
    score: Floats
    right: npt.NDArray[np.bool_]
    n_relevant: Ints
    visit: Ints

    @classmethod
    def of(cls, asked: Sequence[Asked], models: Mapping[str, CandidateModel]) -> Self:
        lists = [ask(model, asked) for model in models.values()]
        start, parts, right = [0], [], []
        for index, question in enumerate(asked):
            proposed = [each[index] for each in lists]
            every = np.unique(np.concatenate([NONE, *(each.item for each in proposed)]))
            part = np.zeros((len(every), len(proposed)), np.float32)
            for column, each in enumerate(proposed):
                if len(each.item):
                    part[np.searchsorted(every, each.item), column] = each.score / each.score[0]
            # As in serving, what is not shown is taken out once the models have been blended.
            shown = ~np.isin(every, question.hidden)
            parts.append(part[shown])
            right.append(np.isin(every[shown], question.relevant))
            start.append(start[-1] + int(shown.sum()))
        return cls(
            tuple(models),
            np.array(start, np.int64),
            np.concatenate([np.empty((0, len(lists)), np.float32), *parts]),
            np.concatenate([np.empty(0, np.bool_), *right]),
            np.array([len(question.relevant) for question in asked], np.int32),
            np.array([question.visit for question in asked], np.int32),
        )

    def __len__(self) -> int:
        return len(self.n_relevant)

    def hits(self, weights: Mapping[str, float]) -> Hits:
        """Whether a right item stands in each of the first K places of the blend, bool [q, K]."""
        weight = np.array([weights.get(name, 0.0) for name in self.models], np.float32)
        return right_places(self.start, self.score, self.right, weight, K)

    def ndcg(self, weights: Mapping[str, float]) -> Values:
        """NDCG@20 of each question, float64 [q]; with one right item it lies between HR and MRR."""
        return per_question(Metric.NDCG, K, self.hits(weights), self.n_relevant)


def ask(model: CandidateModel, asked: Sequence[Asked]) -> list[Candidates]:
    """What a model proposes to each question, as many as serving asks of it."""
    histories = [question.history for question in asked]
    return [
        candidates
        for first in range(0, len(histories), BATCH)
        for candidates in propose_all(model, histories[first : first + BATCH], DEPTH)
    ]


@compiled
def right_places(
    start: Longs, score: Floats, right: npt.NDArray[np.bool_], weight: Floats, k: int
) -> npt.NDArray[np.bool_]:
    """As ``blended`` orders: by the weighted sum, equal ones by item number, and nothing without a score."""
    hits = np.zeros((len(start) - 1, k), np.bool_)
    for question in range(len(start) - 1):
        first, last = start[question], start[question + 1]
        total = np.zeros(last - first, np.float32)
        for column in range(len(weight)):
            if weight[column] > 0:
                total += score[first:last, column] * weight[column]
        for row in range(len(total)):
            if right[first + row] and total[row] > 0:
                place = np.sum(total > total[row]) + np.sum(total[:row] == total[row])
                if place < k:
                    hits[question, place] = True
    return hits
