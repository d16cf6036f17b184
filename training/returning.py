"""Customers who come back: the next order of everybody known, asked before the first click of that visit.

The split is one moment for the whole shop: what is asked lies after everything that was learnt from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from feature_repo.activity import Kind
from training.blend import DEPTH, blended
from training.bundle import Blends
from training.candidates.candidate import CandidateModel, Candidates, propose_all
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.metrics import Values, per_question
from training.evaluation.task import Metric
from training.interactions import History, Interactions, Ints
from training.past import remembered

K: Final = 20
METRICS: Final = (Metric.RECALL, Metric.NDCG)
BATCH: Final = 100
"""Customers asked in one go, which bounds the memory."""
RETURNING: Final = "returning"
MOST_ORDERS: Final = 500
"""Customers asked about in the comparison of a training: enough to tell .02 of Recall@20."""


@dataclass(frozen=True, slots=True)
class NextOrder:
    history: History
    """What online features would know when the customer comes back."""
    bought: Ints
    """int32 [b], distinct: what they bought then."""


def next_orders(interactions: Interactions, cut: int, until: int, most: int, seed: int) -> list[NextOrder]:
    """For about ``most`` customers known before ``cut``, the first visit in [cut, until) in which they bought.

    Times are seconds since 1970. Customers who bought nothing then are not asked about.
    """
    order = np.lexsort((interactions.time, interactions.user))
    user, time = interactions.user[order], interactions.time[order]
    buys = (interactions.kind[order] == Kind.BUY) & (time >= cut) & (time < until)
    known = np.unique(user[time < cut])
    returned = known[np.isin(known, user[buys])]
    chosen = np.sort(np.random.default_rng(seed).permutation(returned)[:most])
    start, stop = np.searchsorted(user, chosen), np.searchsorted(user, chosen, side="right")
    orders = []
    for first, last in zip(start.tolist(), stop.tolist(), strict=True):
        rows = order[first:last]
        bought = rows[buys[first:last]]
        visit = interactions.session[bought[0]]
        opened = int(interactions.time[rows[interactions.session[rows] == visit]].min())
        past = rows[interactions.time[rows] < opened]
        if not len(past):
            continue
        item, kind, times = remembered(interactions.item[past], interactions.kind[past], interactions.time[past])
        market, before_click = int(interactions.market[bought[0]]), np.zeros(len(item), np.bool_)
        history = History(item, kind, times, before_click, market, opened)
        orders.append(NextOrder(history, np.unique(interactions.item[bought[interactions.session[bought] == visit]])))
    return orders


def blended_lists(
    orders: Sequence[NextOrder], models: Mapping[str, CandidateModel], recipes: Blends
) -> dict[str, list[Ints]]:
    """What each recipe (name -> model -> weight) answers to each order: at most K items, best first."""
    histories = [order.history for order in orders]
    names = {name for weights in recipes.values() for name in weights if name in models}
    proposed: dict[str, list[Candidates]] = {
        name: [
            candidates
            for first in range(0, len(histories), BATCH)
            for candidates in propose_all(models[name], histories[first : first + BATCH], DEPTH)
        ]
        for name in names
    }
    return {
        recipe: [
            blended({name: proposed[name][index] for name in weights if name in proposed}, weights, K).item
            for index in range(len(orders))
        ]
        for recipe, weights in recipes.items()
    }


def accuracy(orders: Sequence[NextOrder], lists: Sequence[Ints]) -> Values:
    """Recall@20 and NDCG@20 of each order, float64 [orders, 2]."""
    hits = np.zeros((len(orders), K), np.bool_)
    for index, (order, shown) in enumerate(zip(orders, lists, strict=True)):
        hits[index, : len(shown)] = np.isin(shown[:K], order.bought)
    sizes = np.array([len(order.bought) for order in orders], np.int32)
    return np.stack([per_question(metric, K, hits, sizes) for metric in METRICS], axis=1)


def compare_orders(
    orders: Sequence[NextOrder], models: Mapping[str, CandidateModel], recipes: Blends, ours: str, seed: int
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
