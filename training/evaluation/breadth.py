"""What lists are like besides right: new to customers, unlike each other, spread over the catalogue, worth money.

Novelty and intra-list diversity as in Castells, Hurley and Vargas, "Novelty and Diversity in Recommender Systems"
(Recommender Systems Handbook, 2015).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from training.evaluation.catalogue import Catalogue
from training.evaluation.metrics import Hits, Values
from training.evaluation.task import UNKNOWN, Metric, Task
from training.interactions import Interactions, Ints

TOP: Final = 0.01
"""The share of items that ``top_share`` is about: the most popular ones."""
SAMPLED: Final = 1000
"""Diversity is taken of this many lists, the same ones of every model: each costs as much as its items are popular."""
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Breadth:
    """What of a task decides these figures.

    ``bits`` float64 [i]: self-information of an item, -log2 of the share of training customers (without customers:
    sessions) who touched it; ``top`` bool [i]: the most popular TOP of items; ``vectors`` [i, sessions or customers]:
    who touched it, of length 1, so that products are cosines; ``sample``: the questions whose lists are compared in
    themselves; ``worth`` float64 [q]: price of a question's right answers, where prices are known.
    """

    bits: npt.NDArray[np.float64]
    top: npt.NDArray[np.bool_]
    vectors: csr_array
    sample: npt.NDArray[np.integer]
    catalogue: Catalogue | None
    price: npt.NDArray[np.float64] | None
    worth: npt.NDArray[np.float64] | None

    @classmethod
    def of(cls, task: Task, catalogue: Catalogue | None, seed: int) -> Self:
        train = task.train
        counts = np.bincount(train.item, minlength=train.n_items)
        top = np.zeros(train.n_items, np.bool_)
        top[np.argsort(-counts, kind="stable")[: int(np.ceil(TOP * train.n_items))]] = True
        touched = np.unique(train.user.astype(np.int64) * train.n_items + train.item) % train.n_items
        customers = np.maximum(np.bincount(touched, minlength=train.n_items), 1)
        sample = np.random.default_rng(seed).permutation(len(task))[:SAMPLED]
        price, worth = _prices(task, catalogue)
        vectors = _vectors(train, task.in_session)
        return cls(-np.log2(customers / train.n_users), top, vectors, sample, catalogue, price, worth)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        money = (Metric.REVENUE,) if self.price is not None else ()
        return (*money, Metric.NOVELTY, Metric.DIVERSITY, Metric.TOP_SHARE)

    def per_question(self, metric: Metric, k: int, shown: Ints, hits: Hits) -> Values:
        """The metric of each list's first ``k`` places; NaN where a list has none, as where it is empty.

        ``shown`` int32 [q, at least k], negative where a place is empty; ``hits`` bool, of the same shape.
        """
        shown, hits = shown[:, :k], hits[:, :k]
        if metric is Metric.REVENUE and self.price is not None and self.worth is not None:
            # Weighted by worth, so that the mean over questions is the share of all money.
            return np.asarray((self.price[_any_item(shown)] * hits).sum(axis=1) / self.worth.mean(), dtype=np.float64)
        if metric is Metric.NOVELTY:
            return _mean_of_list(self.bits, shown)
        if metric is Metric.TOP_SHARE:
            return _mean_of_list(self.top.astype(np.float64), shown)
        if metric is Metric.DIVERSITY:
            values = np.full(len(shown), np.nan)
            values[self.sample] = self._diversity(shown[self.sample])
            return values
        raise ValueError(f"{metric} is no figure of breadth")

    def _diversity(self, shown: Ints) -> Values:
        """Mean distance of two items of a list: over the taxonomy where it is known, else 1 - cosine."""
        parts: Iterator[Ints] = (shown[start : start + _BATCH] for start in range(0, len(shown), _BATCH))
        if self.catalogue is not None and self.catalogue.has_categories:
            catalogue = self.catalogue
            return np.concatenate([_taxonomy_distance(part, catalogue) for part in parts])
        return np.concatenate([_cosine_distance(part, self.vectors) for part in parts])


def _prices(
    task: Task, catalogue: Catalogue | None
) -> tuple[npt.NDArray[np.float64] | None, npt.NDArray[np.float64] | None]:
    """Prices of items [i] and of each question's right answers [q]; what has no price counts with the median one."""
    if catalogue is None or not catalogue.has_prices:
        return None, None
    known = catalogue.price > 0
    median = float(np.median(catalogue.price[known]))
    price = np.where(known, catalogue.price, median)
    question, item = task.right_answers()
    worth = np.bincount(question, np.where(item == UNKNOWN, median, price[item]), len(task))
    return price, np.asarray(worth, dtype=np.float64)


def _vectors(train: Interactions, in_session: bool) -> csr_array:
    owner, n = (train.session, train.n_sessions) if in_session else (train.user, train.n_users)
    pairs = np.unique(train.item.astype(np.int64) * n + owner)
    item = pairs // n
    length = np.sqrt(np.bincount(item, minlength=train.n_items))
    return csr_array((1.0 / length[item], (item, pairs % n)), shape=(train.n_items, n))


def _mean_of_list(figure: npt.NDArray[np.float64], shown: Ints) -> Values:
    there = shown >= 0
    return _ratio((figure[_any_item(shown)] * there).sum(axis=1), there.sum(axis=1))


def _any_item(shown: Ints) -> Ints:
    """``shown`` with some item in its empty places, for looking up what is masked afterwards."""
    return np.maximum(shown, 0)


def _ratio(total: npt.NDArray[np.float64], count: npt.NDArray[np.integer]) -> Values:
    """Means; NaN where there is nothing to take one of."""
    means = np.full(len(count), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _taxonomy_distance(shown: Ints, catalogue: Catalogue) -> Values:
    """0 for two items of one category, a half within a product line, else 1; items without category are passed over."""
    item = _any_item(shown)
    line, category = catalogue.line[item], catalogue.category[item]
    known = (shown >= 0) & (line != UNKNOWN)
    same_line = line[:, :, None] == line[:, None, :]
    same_category = same_line & (category[:, :, None] == category[:, None, :])
    distance = 1.0 - 0.5 * same_line - 0.5 * same_category
    pair = known[:, :, None] & known[:, None, :] & ~np.eye(shown.shape[1], dtype=np.bool_)
    return _ratio((distance * pair).sum(axis=(1, 2)), pair.sum(axis=(1, 2)))


def _cosine_distance(shown: Ints, vectors: csr_array) -> Values:
    """From the square of the sum of a list's vectors, which holds every pair's cosine twice and each item's 1."""
    row, place = np.nonzero(shown >= 0)
    lists = csr_array((np.ones(len(row)), (row, shown[row, place])), shape=(len(shown), vectors.shape[0]))
    size = np.bincount(row, minlength=len(shown))
    square = np.asarray((lists @ vectors).power(2).sum(axis=1)).ravel()
    touched = np.asarray(lists @ (np.diff(vectors.indptr) > 0))
    return np.clip(1.0 - _ratio(square - touched, size * (size - 1)), 0.0, 1.0)
