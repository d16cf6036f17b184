"""Customers who come back: recipes compared by what they foretell of the next order.

The split is one moment for the whole shop: what is asked lies after everything that was learnt from.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from training.blend import DEPTH, Recipe
from training.candidates.candidate import CandidateModel, Candidates, propose_all
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.metrics import Values, per_question
from training.evaluation.task import Metric
from training.interactions import Ints
from training.next_order import NextOrder

K: Final = 20
METRICS: Final = (Metric.RECALL, Metric.NDCG)
BATCH: Final = 100
"""Customers asked in one go, which bounds the memory."""
RETURNING: Final = "returning"
MOST_ORDERS: Final = 500
"""Customers asked about in the comparison of a training: enough to tell .02 of Recall@20."""


def blended_lists(
    orders: Sequence[NextOrder], models: Mapping[str, CandidateModel], recipes: Mapping[str, Recipe]
) -> dict[str, list[Ints]]:
    """What each recipe answers to each order: at most K items, best first."""
    histories = [order.history for order in orders]
    names = {name for recipe in recipes.values() for name in recipe.weights if name in models}
    proposed: dict[str, list[Candidates]] = {
        name: [
            candidates
            for first in range(0, len(histories), BATCH)
            for candidates in propose_all(models[name], histories[first : first + BATCH], DEPTH)
        ]
        for name in names
    }
    return {
        name: [
            recipe.answer({of: proposed[of][index] for of in recipe.weights if of in proposed}, history, K).item
            for index, history in enumerate(histories)
        ]
        for name, recipe in recipes.items()
    }


def accuracy(orders: Sequence[NextOrder], lists: Sequence[Ints]) -> Values:
    """Recall@20 and NDCG@20 of each order, float64 [orders, 2]."""
    hits = np.zeros((len(orders), K), np.bool_)
    for index, (order, shown) in enumerate(zip(orders, lists, strict=True)):
        hits[index, : len(shown)] = np.isin(shown[:K], order.bought)
    sizes = np.array([len(order.bought) for order in orders], np.int32)
    return np.stack([per_question(metric, K, hits, sizes) for metric in METRICS], axis=1)


def compare_orders(
    orders: Sequence[NextOrder],
    models: Mapping[str, CandidateModel],
    recipes: Mapping[str, Recipe],
    ours: str,
    seed: int,
) -> dict[str, Interval]:
    """``<recipe>.recall_20`` and ``.ndcg_20``, and ``over_<recipe>.…``: by how much ``ours`` is better, with intervals.

    The bootstrap draws customers. Nothing when there are no orders.
    """
    if not orders:
        return {}
    lists = blended_lists(orders, models, recipes)
    values = np.concatenate([accuracy(orders, lists[recipe]) for recipe in recipes], axis=1)
    draws = draw_means(values, np.arange(len(orders), dtype=np.int32), len(orders), seed)
    means = values.mean(axis=0)
    figures: dict[str, Interval] = {}
    home = len(METRICS) * list(recipes).index(ours)
    for number, recipe in enumerate(recipes):
        for offset, metric in enumerate(METRICS):
            column, base = len(METRICS) * number + offset, home + offset
            figures[f"{recipe}.{metric}_{K}"] = interval(means[column], draws[:, column])
            if recipe != ours:
                difference = interval(means[base] - means[column], draws[:, base] - draws[:, column])
                figures[f"over_{recipe}.{metric}_{K}"] = difference
    return figures
