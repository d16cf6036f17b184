"""How much of a list one night's training changes: ALS fitted anew, and going on, on the orders of Online Retail.

    python -m benchmarks.warm_start [--nights 7] [--json OUT]

The last trainings before September 2011, a night apart, once fitted anew each night and once going on from the night
before as ``shopfloor train`` does. Each is asked the same: the first orders after it of customers known by then, by the
same histories. What differs between two nights is what the model made of one more day.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.figures import Figure, report
from benchmarks.next_order import DATA, PARTS, SEED, read_orders
from training.candidates.als import Als
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.metrics import Values
from training.folds import before
from training.interactions import History, Interactions, Ints
from training.next_order import NextOrder, next_orders
from training.returning import K, accuracy

DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Night:
    """One training: what it gave each customer, and what it cost."""

    lists: list[Ints]
    cpu_s: float


def fitted(shop: Interactions, nights: Sequence[int], orders: list[NextOrder], warm: bool) -> list[Night]:
    """The trainings of ALS at ``nights``, seconds since 1970, one after the other."""
    found: list[Night] = []
    model: Als | None = None
    was = np.empty(0, np.int32)
    for night in nights:
        items, learnt = as_read_from_a_lake(before(shop, night))
        began = time.process_time()
        if warm and model is not None:
            model = model.refitted(learnt, places(items, was), SEED)
        else:
            model = Als.fit(learnt, SEED)
        cost = time.process_time() - began
        where = places(np.arange(shop.n_items, dtype=np.int32), items)
        histories = [known(order.history, where) for order in orders]
        found.append(Night([items[answer.item] for answer in model.propose_batch(histories, K)], cost))
        was = items
    return found


def as_read_from_a_lake(shop: Interactions) -> tuple[Ints, Interactions]:
    """The items that somebody touched, int32 [i] ascending, and the interactions with those and their customers alone:
    one more of either draws everything else that is left to chance otherwise."""
    items, item = np.unique(shop.item, return_inverse=True)
    users, user = np.unique(shop.user, return_inverse=True)
    return items, replace(
        shop,
        item=item.astype(np.int32),
        user=user.astype(np.int32),
        item_ids=shop.item_ids[items],
        n_users=len(users),
    )


def places(items: Ints, among: Ints) -> Ints:
    """Where each of the ``items`` stands ``among`` others, both ascending; -1 where it does not."""
    at = np.searchsorted(among, items).clip(max=max(len(among) - 1, 0))
    return np.where(among[at] == items, at, -1).astype(np.int32) if len(among) else np.full(len(items), -1, np.int32)


def known(history: History, where: Ints) -> History:
    item = where[history.item]
    there = item >= 0
    return replace(
        history,
        item=item[there],
        kind=history.kind[there],
        time=history.time[there],
        in_session=history.in_session[there],
    )


def kept(nights: Sequence[Night]) -> Interval:
    """The share of a list of K that stood in the list of the night before; a customer's mean over the nights."""
    shares = np.array(
        [
            [len(np.intersect1d(one, other)) / K for one, other in zip(last.lists, now.lists, strict=True)]
            for last, now in pairwise(nights)
        ]
    ).mean(axis=0)
    return _mean(shares)


def recalled(nights: Sequence[Night], orders: list[NextOrder]) -> Values:
    """Recall@K of the last night's lists, one for each order."""
    return accuracy(orders, nights[-1].lists)[:, 0]


def _mean(values: Values) -> Interval:
    drawn = draw_means(values[:, None], np.arange(len(values), dtype=np.int32), len(values), SEED)
    return interval(float(values.mean()), drawn[:, 0])


def figures(shop: Interactions, nights: Sequence[int], orders: list[NextOrder]) -> Iterator[Figure]:
    anew, going_on = (fitted(shop, nights, orders, warm) for warm in (False, True))
    for how, found in (("fitted anew", anew), ("going on", going_on)):
        cost = float(np.median([night.cpu_s for night in found[1:]]))
        yield Figure(f"ALS, {how}: a fit", round(cost, 2), "s CPU", note=f"median of {len(found) - 1} nights")
        yield _figure(f"ALS, {how}: of a list of {K} kept overnight", kept(found))
        yield _figure(f"ALS, {how}: next order recall@{K}", _mean(recalled(found, orders)))
    better = _mean(recalled(going_on, orders) - recalled(anew, orders))
    yield _figure(f"ALS, going on over fitted anew: next order recall@{K}", better)


def _figure(what: str, measured: Interval) -> Figure:
    return Figure(what, round(measured.value, 4), note=f"95 % interval {measured.low:.4f} to {measured.high:.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    file = DATA / "online_retail" / "online_retail.parquet"
    if not file.exists():
        print(f"{file} is missing; set SHOPFLOOR_TEST_DATA to the folder that holds online_retail/", file=sys.stderr)
        return 66
    shop = read_orders(file)
    cut, until = (int(moment.timestamp()) for moment in PARTS["validation"])
    orders = next_orders(shop, cut, until, len(shop), SEED)
    nights = [cut - DAY * ago for ago in range(arguments.nights, -1, -1)]
    title = f"{arguments.nights} nights, {len(orders):,} customers"
    return report(title, list(figures(shop, nights, orders)), arguments.json)


if __name__ == "__main__":
    sys.exit(main())
