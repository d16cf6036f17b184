"""An evaluation's questions: whose history, which items count as right, which may not be shown."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.activity import Kind
from training.interactions import Codes, History, Interactions, Ints, Longs

UNKNOWN: Final = -1
"""The position of an item that training has never seen."""


class Exclude(StrEnum):
    """Which items of the customer's own history may not be recommended."""

    NONE = "none"
    BOUGHT = "bought"
    SEEN = "seen"


class Metric(StrEnum):
    HR = "hr"
    MRR = "mrr"
    RECALL = "recall"
    NDCG = "ndcg"
    COVERAGE = "coverage"
    NOVELTY = "novelty"
    DIVERSITY = "diversity"
    TOP_SHARE = "top_share"
    REVENUE = "revenue"


class Question(NamedTuple):
    """One list to make.

    ``relevant`` int32 [r], each item once, UNKNOWN for every one that training has not seen; ``excluded`` int32 [e].
    """

    history: History
    relevant: Ints
    excluded: Ints


@dataclass(frozen=True, slots=True)
class Task:
    """q questions over one training set, kept as ranges of flat arrays so that histories are made batch by batch.

    The history of question i is rows ``first[i]:last[i]`` of ``item``, ``kind``, ``time``, ``market`` [h]; its right
    answers are ``relevant[relevant_first[i]:relevant_last[i]]``. ``cluster`` int32 [q] numbers the session or user
    that a question belongs to: questions of one cluster depend on each other, so the bootstrap draws clusters.
    """

    train: Interactions
    item: Ints
    kind: Codes
    time: Longs
    market: Ints
    first: Longs
    last: Longs
    now: Longs
    relevant: Ints
    relevant_first: Longs
    relevant_last: Longs
    cluster: Ints
    in_session: bool
    exclude: Exclude
    metrics: tuple[Metric, ...]
    new_customer: npt.NDArray[np.bool_] | None = None
    """[q], True where training has nothing of the customer; None where the files do not tell customers apart."""
    in_visit: npt.NDArray[np.bool_] | None = None
    """[h], True for what the customer did in the visit of the question; None where it is ``in_session`` for all."""

    held_out: bool = False
    """What is asked for was taken out of histories that go on around it; else it came after all that is learnt from."""

    def clicks(self) -> Longs | None:
        """How much of each question's history is of its own visit, int64 [q]; None where nothing tells visits."""
        if self.in_visit is None:
            return self.last - self.first if self.in_session else None
        before = np.concatenate((np.zeros(1, np.int64), np.cumsum(self.in_visit, dtype=np.int64)))
        return before[self.last] - before[self.first]

    def __len__(self) -> int:
        return len(self.first)

    @property
    def n_clusters(self) -> int:
        return int(self.cluster.max()) + 1

    def right_answers(self) -> tuple[Longs, Ints]:
        """Every right answer of every question: the question's number and the item, UNKNOWN where training lacks it."""
        length = self.relevant_last - self.relevant_first
        question = np.repeat(np.arange(len(self)), length)
        place = np.arange(len(question)) - np.repeat(np.cumsum(length) - length, length)
        return question, self.relevant[self.relevant_first[question] + place]

    def batches(self, size: int) -> Iterator[list[Question]]:
        for start in range(0, len(self), size):
            yield [self.question(i) for i in range(start, min(start + size, len(self)))]

    def question(self, i: int) -> Question:
        rows = slice(self.first[i], self.last[i])
        known = self.item[rows] != UNKNOWN
        item, kind = self.item[rows][known], self.kind[rows][known]
        market = self.market[rows]
        history = History(
            item=item,
            kind=kind,
            time=self.time[rows][known],
            in_session=np.full(len(item), self.in_session) if self.in_visit is None else self.in_visit[rows][known],
            market=int(market[-1]) if len(market) else -1,
            now=int(self.now[i]),
        )
        relevant = self.relevant[self.relevant_first[i] : self.relevant_last[i]]
        return Question(history, relevant, self._excluded(item, kind))

    def _excluded(self, item: Ints, kind: Codes) -> Ints:
        if self.exclude is Exclude.SEEN:
            return np.unique(item)
        if self.exclude is Exclude.BOUGHT:
            return np.unique(item[kind == Kind.BUY])
        return np.empty(0, np.int32)


def positions(ids: npt.ArrayLike, vocabulary: npt.NDArray[np.str_]) -> Ints:
    """Where each of ``ids`` stands in ``vocabulary``; UNKNOWN where it does not."""
    found = pd.Index(vocabulary.astype(object)).get_indexer(np.asarray(ids, dtype=object))
    return np.asarray(found, dtype=np.int32)
