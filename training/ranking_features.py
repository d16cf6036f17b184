"""What the ranker knows of a candidate: one function, the same for training rows and for answers.

A row says how each source rates the item, how much and how lately the shop's customers care for it, how often and how
lately they went to it from the items of this history, what this customer did with it already, and how it suits their
purse, market and hour. What is known of the customer comes from Feast's online views by way of the history
(``training/past.py``), what is known of items from the bundle: a list has a hundred of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from feature_repo.activity import Kind
from training.arrays import read_array, write_array
from training.habit_kernel import QUARTER, habit_rows
from training.interactions import Floats, History, Interactions, Ints, Longs
from training.ranking_kernel import rows_of

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
REACH: Final = 5
"""Items at most this many interactions apart are a pair."""
FACTORS: Final = 48
"""Length of the vectors that say which items are alike."""
PRIOR: Final = 20.0
NEVER: Final = 99.0
"""Steps or log-hours to what never happened: farther than anything that did."""

OF_SOURCE: Final = ("score", "share_of_best", "nearness")
OF_ITEM: Final = ("count", "count_7d", "count_1d", "trend", "age", "bought", "carted", "returned_to", "reloaded")
OF_PAIR: Final = (
    "last_direct_share", "last_direct_count", "last_near_share", "last_back_share", "last_age",
    "second_near_share", "second_back_share", "sum_near_share", "sum_back_share", "most_near_share", "linked",
)  # fmt: skip
OF_LIKENESS: Final = ("alike_last", "alike_visit", "most_alike")
OF_TAXONOMY: Final = (
    "category_is_last", "parent_is_last", "category_share", "parent_share", "category_next_share", "category_count",
    "share_of_category", "category_times",
)  # fmt: skip
OF_CUSTOMER: Final = ("times_in_visit", "times_known", "steps_since", "hours_since", "is_last", "strongest_kind")
OF_PRICE: Final = ("price", "price_over_last", "price_over_usual", "price_over_bought")
OF_MOMENT: Final = ("hour_lift", "market_lift", "idle", "newness", "quarter_of_day")
OF_HABIT: Final = ("times_bought", "days_since_bought", "own_gap", "due", "share_of_orders", "rhythm")
OF_QUESTION: Final = ("visit_length", "visit_items", "known_length", "last_pause", "last_kind", "last_count")


def feature_names(sources: tuple[str, ...]) -> list[str]:
    """The names of the columns of ``features``."""
    by_source = [f"{source}.{name}" for source in sources for name in OF_SOURCE]
    of_pairs = (*OF_ITEM, *OF_PAIR, *OF_LIKENESS, *OF_TAXONOMY, *OF_CUSTOMER, *OF_QUESTION)
    return [*by_source, "n_sources", *of_pairs, *OF_PRICE, *OF_MOMENT, *OF_HABIT]


@dataclass(frozen=True, slots=True)
class Signals:
    """Counts of one span of interactions; ages are counted from its end, so that they mean the same in every span.

    ``of_item`` float32 [items, 9], the columns of OF_ITEM; ``n_next`` float32 [items]: how often something followed;
    pairs of item i: ``pair_item[pair_start[i]:pair_start[i + 1]]`` int32, ascending, with float32 ``direct`` (times it
    came right after i), ``near`` (times it came soon after, by 1 / steps) and ``pair_age`` (log of 1 + hours);
    ``vector`` float32 [items, FACTORS]: items whose vectors point the same way are taken by the same customers;
    ``category`` and ``parent`` int32 [items], -1 where unknown; ``category_count`` float32 [categories] interactions;
    the categories that follow category c: ``category_next[category_start[c]:category_start[c + 1]]``, ascending, with
    ``category_near`` as for items; ``price`` float32 [items], logarithm of 1 + price, NaN where unknown; ``published``
    int64 [items], seconds since 1970, 0 where unknown; ``hour_lift`` float32 [items, 4] and ``market_lift`` float32
    [markets, items]: how much oftener than all items together it is wanted in a quarter of the day, or in a market.
    """

    of_item: Floats
    n_next: Floats
    pair_start: Longs
    pair_item: Ints
    direct: Floats
    near: Floats
    pair_age: Floats
    vector: Floats
    category: Ints
    parent: Ints
    category_count: Floats
    category_start: Longs
    category_next: Ints
    category_near: Floats
    price: Floats
    published: Longs
    hour_lift: Floats
    market_lift: Floats

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0) -> Self:
        n_items, content = interactions.n_items, interactions.content
        order = np.lexsort((interactions.time, interactions.user))
        user, item, time = interactions.user[order], interactions.item[order], interactions.time[order]
        end = int(time.max(initial=0))
        source, target, steps, when = _pairs(user, item, time)
        start, follower, near, direct, newest = _counted(source, target, steps, when, n_items)
        unknown = np.full(n_items, -1, np.int32)
        category = interactions.taxonomy.category if interactions.taxonomy else unknown
        known = (category[source] >= 0) & (category[target] >= 0)
        n_categories = int(category.max(initial=-1)) + 1
        of_category = _counted(
            category[source[known]], category[target[known]], steps[known], when[known], n_categories
        )
        return cls(
            of_item=_of_item(interactions, end),
            n_next=np.bincount(np.repeat(np.arange(n_items), np.diff(start)), direct, n_items).astype(np.float32),
            pair_start=start,
            pair_item=follower,
            direct=direct,
            near=near,
            pair_age=np.log1p((end - newest) / HOUR).astype(np.float32),
            vector=_vectors(interactions, seed),
            category=category,
            parent=interactions.taxonomy.parent if interactions.taxonomy else unknown,
            category_count=np.bincount(category[item][category[item] >= 0], minlength=n_categories).astype(np.float32),
            category_start=of_category[0],
            category_next=of_category[1],
            category_near=of_category[2],
            price=np.log1p(content.price) if content else np.full(n_items, np.nan, np.float32),
            published=content.published if content else np.zeros(n_items, np.int64),
            hour_lift=_lift(interactions.item, interactions.time // QUARTER % 4, n_items, 4),
            market_lift=np.ascontiguousarray(
                _lift(interactions.item, interactions.market, n_items, len(interactions.markets)).T
            ),
        )

    def untouched(self, item: Ints) -> npt.NDArray[np.bool_]:
        """Which of the items nobody had anything to do with."""
        return np.asarray(self.of_item[item, OF_ITEM.index("count")] == 0)

    def features(self, history: History, item: Ints, score: Floats, place: Ints) -> Floats:
        """One row for each candidate: float32 [c, len(feature_names)].

        ``item`` int32 [c]; ``score`` float32 [sources, c], 0 where a source does not propose it; ``place`` int32
        [sources, c], from 0, -1 where it does not.
        """
        of_pairs = rows_of(
            history.item, history.kind, history.time, history.in_session, item, score, place,
            self.of_item, self.n_next, self.pair_start, self.pair_item, self.direct, self.near, self.pair_age,
            self.vector, self.category, self.parent, self.category_count, self.category_start, self.category_next,
            self.category_near,
        )  # fmt: skip
        of_habit = habit_rows(
            history.item, history.kind, history.time, history.in_session, history.market, history.now, item,
            self.price, self.published, self.hour_lift, self.market_lift,
        )  # fmt: skip
        return np.concatenate((of_pairs, of_habit), axis=1)

    def save(self, folder: Path) -> None:
        for name in self.__slots__:
            write_array(folder, f"signal_{name}", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        def floats(name: str, ndim: int = 1) -> Floats:
            return read_array(folder, f"signal_{name}", np.float32, ndim)

        def ints(name: str) -> Ints:
            return read_array(folder, f"signal_{name}", np.int32)

        return cls(
            of_item=floats("of_item", 2),
            n_next=floats("n_next"),
            pair_start=read_array(folder, "signal_pair_start", np.int64),
            pair_item=ints("pair_item"),
            direct=floats("direct"),
            near=floats("near"),
            pair_age=floats("pair_age"),
            vector=floats("vector", 2),
            category=ints("category"),
            parent=ints("parent"),
            category_count=floats("category_count"),
            category_start=read_array(folder, "signal_category_start", np.int64),
            category_next=ints("category_next"),
            category_near=floats("category_near"),
            price=floats("price"),
            published=read_array(folder, "signal_published", np.int64),
            hour_lift=floats("hour_lift", 2),
            market_lift=floats("market_lift", 2),
        )


def _vectors(interactions: Interactions, seed: int) -> Floats:
    """Directions of the items in the leading singular vectors of visits by items, both degrees normalised."""
    from sklearn.utils.extmath import randomized_svd

    visit, item = np.unique(np.stack((interactions.session, interactions.item)), axis=1)
    shape = (interactions.n_sessions, interactions.n_items)
    factors = min(FACTORS, min(shape) - 1)
    found = np.zeros((interactions.n_items, FACTORS), np.float32)
    if factors < 1 or not len(item):
        return found
    by_visit, by_item = (1.0 / np.sqrt(np.maximum(np.bincount(axis), 1)) for axis in (visit, item))
    table = sp.csr_matrix((by_visit[visit] * by_item[item], (visit, item)), shape, dtype=np.float32)
    _, value, vectors = randomized_svd(table, factors, n_iter=3, random_state=seed)
    found[:, :factors] = vectors.T * value
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(length, 1e-9), np.float32)


def _pairs(user: Ints, item: Ints, time: Longs) -> tuple[Ints, Ints, Longs, Longs]:
    """All pairs of different items on one customer's path: from, to, steps between, time of the later one."""
    parts = []
    for steps in range(1, REACH + 1):
        same = (user[steps:] == user[:-steps]) & (item[steps:] != item[:-steps])
        at = np.flatnonzero(same)
        parts.append((item[at], item[at + steps], np.full(len(at), steps, np.int64), time[at + steps]))
    source, target, apart, when = (np.concatenate(column) for column in zip(*parts, strict=True))
    return source, target, apart, when


def _counted(
    source: Ints, target: Ints, steps: Longs, when: Longs, n: int
) -> tuple[Longs, Ints, Floats, Floats, Longs]:
    """Pairs added up, as rows of n sources: starts, targets, near, direct, newest."""
    key = source.astype(np.int64) * n + target
    by_key = np.argsort(key, kind="stable")
    key, steps, when = key[by_key], steps[by_key], when[by_key]
    opens = np.flatnonzero(np.diff(key, prepend=-1))
    pair = key[opens]
    start = np.searchsorted(pair // max(n, 1), np.arange(n + 1)).astype(np.int64)
    newest = np.maximum.reduceat(when, opens) if len(opens) else when
    return start, (pair % max(n, 1)).astype(np.int32), _summed(1.0 / steps, opens), _summed(steps == 1, opens), newest


def _summed(values: npt.NDArray[np.generic], opens: npt.NDArray[np.int64]) -> Floats:
    if not len(opens):
        return np.empty(0, np.float32)
    return np.add.reduceat(values.astype(np.float64), opens).astype(np.float32)


def _lift(item: Ints, part: npt.NDArray[np.integer], n_items: int, n_parts: int) -> Floats:
    """Each item's share of interactions in each part, relative to that of all items: float32 [items, parts], 1 for as
    often as all. ``PRIOR`` interactions are taken to be spread like all; ``part`` is -1 where unknown."""
    known = part >= 0
    counts = np.bincount(item[known] * max(n_parts, 1) + part[known], minlength=n_items * n_parts)
    table = counts[: n_items * n_parts].reshape(n_items, n_parts)
    whole = (table.sum(axis=0) + 1.0) / (table.sum() + max(n_parts, 1))
    share = (table + PRIOR * whole) / (table.sum(axis=1, keepdims=True) + PRIOR)
    return np.asarray(share / whole, dtype=np.float32)


def _of_item(interactions: Interactions, end: int) -> Floats:
    n = interactions.n_items
    item, kind, age = interactions.item, interactions.kind, end - interactions.time
    count = np.bincount(item, minlength=n)
    week = np.bincount(item, np.exp2(-age / (7 * DAY)), n)
    day = np.bincount(item, np.exp2(-age / DAY), n)
    newest = np.full(n, np.iinfo(np.int32).max, np.int64)
    np.minimum.at(newest, item, age)
    same = (interactions.session[1:] == interactions.session[:-1]) & (item[1:] == item[:-1])
    reloaded = np.bincount(item[1:][same], minlength=n)
    visits = np.unique(np.stack((interactions.session, item)), axis=1)[1] if len(item) else item
    returned = count - np.bincount(visits, minlength=n)
    prior = count + 5.0
    columns = (
        np.log1p(count),
        np.log1p(week),
        np.log1p(day),
        (week + 1.0) / prior,
        np.where(count > 0, np.log1p(newest / HOUR), NEVER),
        np.bincount(item[kind == Kind.BUY], minlength=n) / prior,
        np.bincount(item[kind == Kind.CART], minlength=n) / prior,
        returned / prior,
        reloaded / prior,
    )
    return np.stack(columns, axis=1).astype(np.float32)
