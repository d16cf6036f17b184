"""``python -m benchmarks.new_items [--part test] [--json OUT]``: who buys a new product in its first week.

The split is by item and time. New are the items first sold or seen after a cut; nothing of them is in what is learnt,
which ends at the cut, nor in any history. Each customer who takes one in its first week is asked for with what they
did until then, and all new items are ranked for them. A product's figure is the share of its first-week customers in
whose first 20 it stands, items of equal score in random order, which is calculated and not drawn. The mean over
products is compared with other orders of the same items, as a ratio with a 95 % bootstrap interval over products.
Settings were chosen on ``validation``; ``test`` is what is published.

Popularity cannot count a product without any event, so it is read as the popularity of its category, touches an item:
in Online Retail, which has no categories, every new product is worth the same. Two stronger readings are shown beside
it. ``the visitor's own categories`` orders new items by how often their category was looked at in this visit, which is
a content model of its own. ``most active`` turns the question round: the 20 of all known customers who are named for
a product, against the 20 who bought most lately.

Online Retail: histories end with the day before the first sale, and buyers are customers known at the cut.
RetailRocket's sessions have an order and no times: a week is a twentieth of them (the shop's log spans 20 weeks), a
history is the visit so far, and a new item without a category is left out.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.figures import Figure, report, skipped
from benchmarks.next_order import DATA
from feature_repo.activity import Kind
from training.candidates.interest import decay
from training.candidates.new_items import NewItems, NewItemsSettings
from training.evaluation.bootstrap import draw_means
from training.interactions import Content, History, Interactions, Ints, Taxonomy, from_frame

SEED: Final = 42
K: Final = 20
DAY: Final = 86_400
WEEK: Final = 7 * DAY
TARGET: Final = 2.0
ACTIVE_HALF_LIFE: Final = 180.0
"""Days; of 14, 60, 180 and no decay it named the most first-week buyers on ``validation``."""
SESSIONS_A_WEEK: Final = 1 / 20
ORDER_PARTS: Final = {"validation": ("2011-08-01", "2011-09-30"), "test": ("2011-10-01", "2011-12-02")}
SESSION_PARTS: Final = {"validation": (0.4, 0.55), "test": (0.6, 0.9)}
"""Shares of all sessions: where learning ends, and the last first appearance that is asked for."""

Scores = npt.NDArray[np.float64]

_LINES: Final = """
SELECT upper(StockCode) AS item, InvoiceNo, epoch(min(InvoiceDate))::BIGINT AS time,
       coalesce(CAST(CustomerID AS BIGINT)::VARCHAR, 'invoice-' || InvoiceNo) AS user,
       CustomerID IS NOT NULL AS known, min(UnitPrice) AS price, first(Description) AS name
FROM read_parquet(?)
WHERE regexp_matches(StockCode, '^[0-9]{5}') AND Quantity > 0 AND UnitPrice > 0 AND NOT starts_with(InvoiceNo, 'C')
GROUP BY ALL ORDER BY time, InvoiceNo, item
"""


@dataclass(frozen=True, slots=True)
class Launch:
    """One new item, as a number of the vocabulary, and the histories of its first-week customers."""

    item: int
    buyers: list[History]
    customers: tuple[list[History], Ints] | None = None
    """All known customers at that time, and the numbers of the buyers among them."""


@dataclass(frozen=True, slots=True)
class Shop:
    """``learnt``: what came before the cut, with the new items in its vocabulary; ``new``: their numbers, ascending."""

    learnt: Interactions
    new: Ints
    launches: list[Launch]


def online_retail(folder: Path, part: str) -> Shop:
    lines = duckdb.execute(_LINES, [str(folder / "online_retail" / "online_retail.parquet")]).df()
    cut, until = (int(pd.Timestamp(day, tz="UTC").timestamp()) for day in ORDER_PARTS[part])
    first = lines.groupby("item")["time"].min()
    before = lines[lines["time"] < cut]
    new_ids = first.index[(first >= cut) & (first < until)]
    launched = lines[lines["item"].isin(new_ids)].groupby("item").agg(name=("name", "first"), price=("price", "first"))
    sold = before.groupby("item").agg(name=("name", "last"), price=("price", "median"))
    learnt = with_new(from_frame(before.assign(event=np.int8(Kind.BUY))), new_ids)
    described = pd.concat([sold, launched]).reindex(learnt.item_ids)
    content = Content(
        name=tuple(described["name"].fillna("")),
        brand=np.full(learnt.n_items, -1, np.int32),
        price=described["price"].to_numpy(np.float32),
        published=np.zeros(learnt.n_items, np.int64),
    )
    number = {item: position for position, item in enumerate(learnt.item_ids.tolist())}
    customers = sorted(before.loc[before["known"], "user"].unique())
    pasts = lines[lines["item"].isin(set(sold.index)) & lines["user"].isin(customers)].groupby("user")
    past = {user: (rows["item"].map(number).to_numpy(np.int32), rows["time"].to_numpy()) for user, rows in pasts}
    launches = []
    days: dict[int, list[History]] = {}
    for item, rows in lines[lines["item"].isin(new_ids)].groupby("item"):
        start = int(first[item])
        buyers = np.flatnonzero(np.isin(customers, rows.loc[rows["time"] < start + WEEK, "user"])).astype(np.int32)
        if len(buyers):
            day = start // DAY * DAY
            known = days.setdefault(day, [_until(*past[user], day) for user in customers])
            launches.append(Launch(number[item], [known[buyer] for buyer in buyers], (known, buyers)))
    return Shop(replace(learnt, content=content), numbers(learnt, new_ids), launches)


def retailrocket(folder: Path, part: str) -> Shop:
    files = folder / "retailrocket_taxonomy_sessions"
    clicks = pd.read_parquet(files / "train_sessions.parquet")
    items = pd.read_parquet(files / "item_attributes.parquet").set_index("item")
    sessions = int(clicks["session"].max()) + 1
    cut, until = (int(sessions * share) for share in SESSION_PARTS[part])
    week = int(sessions * SESSIONS_A_WEEK)
    first = clicks.groupby("item")["session"].min()
    categories = items["category"].dropna()
    new_ids = first.index[(first >= cut) & (first < until)].intersection(categories.index)
    learnt = with_new(from_frame(clicks[clicks["session"] < cut]), new_ids.astype(str))
    known = items.reindex(learnt.item_ids.astype(np.int64))
    parent = known["parent_category"].fillna(known["category"])
    taxonomy = Taxonomy(*(pd.factorize(codes)[0].astype(np.int32) for codes in (known["category"], parent)))
    number = pd.Series(np.arange(learnt.n_items), index=learnt.item_ids.astype(np.int64))
    new = numbers(learnt, new_ids.astype(str))
    buyers: dict[int, list[History]] = {int(item): [] for item in new}
    later = clicks[(clicks["session"] >= cut) & (clicks["session"] < until + week)]
    for session, visit in later.groupby("session")["item"]:
        path = number.reindex(visit).fillna(-1).to_numpy(np.int32)
        old = (path >= 0) & ~np.isin(path, new)
        for place in np.flatnonzero(np.isin(path, new)).tolist():
            so_far = path[:place][old[:place]]
            if len(so_far) and session < first[visit.iloc[place]] + week:
                buyers[int(path[place])].append(History.of(so_far.tolist()))
    launches = [Launch(item, histories) for item, histories in buyers.items() if histories]
    return Shop(replace(learnt, taxonomy=taxonomy), new, launches)


def with_new(learnt: Interactions, new_ids: pd.Index) -> Interactions:
    """The same with the new items in the vocabulary, without any interaction."""
    item_ids = np.array(sorted({*learnt.item_ids.tolist(), *new_ids.tolist()}))
    item = np.searchsorted(item_ids, learnt.item_ids)[learnt.item].astype(np.int32)
    return replace(learnt, item=item, item_ids=item_ids)


def numbers(interactions: Interactions, ids: pd.Index) -> Ints:
    return np.flatnonzero(np.isin(interactions.item_ids, ids.to_numpy(str))).astype(np.int32)


def _until(item: Ints, time: npt.NDArray[np.int64], now: int) -> History:
    known = time < now
    n = int(known.sum())
    return History(item[known], np.full(n, Kind.BUY, np.int8), time[known], np.zeros(n, np.bool_), now=now)


Order = Callable[[History], Scores]
"""A score for each new item."""


def ours(model: NewItems, new: Ints, history: History) -> Scores:
    found = model.propose(history, len(new))
    scores = np.zeros(len(new))
    scores[np.searchsorted(new, found.item)] = found.score
    return scores


def category_popularity(shop: Shop) -> Scores:
    """Touches an item of each new item's category; 0 for all where there are no categories."""
    if shop.learnt.taxonomy is None:
        return np.zeros(len(shop.new))
    category = shop.learnt.taxonomy.category
    touches = np.bincount(shop.learnt.item, minlength=shop.learnt.n_items)
    old = touches > 0
    total = np.bincount(category[old] + 1, touches[old], category.max() + 2)
    items = np.bincount(category[old] + 1, minlength=category.max() + 2)
    return np.asarray((total / np.maximum(items, 1))[category[shop.new] + 1])


def own_categories(shop: Shop, popularity: Scores, history: History) -> Scores:
    """How often the history has each new item's category, equal ones by the category's popularity."""
    assert shop.learnt.taxonomy is not None
    category = shop.learnt.taxonomy.category
    seen = Counter(category[history.item].tolist())
    looked_at = np.array([seen[code] for code in category[shop.new].tolist()], np.float64)
    return looked_at + popularity / (float(popularity.max()) + 1)


def found_by(shop: Shop, order: Order) -> Iterator[float]:
    """Of each launch, the share of its buyers in whose first K it stands."""
    for launch in shop.launches:
        place = np.searchsorted(shop.new, [launch.item])
        yield float(np.mean([among_first(order(history), place) for history in launch.buyers]))


def named_by(shop: Shop, score: Callable[[History, int], float]) -> Iterator[float]:
    """Of each launch, the share of its buyers, or of K where they are more, among the K customers scored highest."""
    for launch in shop.launches:
        if launch.customers is not None:
            histories, buyers = launch.customers
            scores = np.array([score(history, launch.item) for history in histories])
            yield float(among_first(scores, buyers).sum()) / min(len(buyers), K)


def among_first(scores: Scores, places: npt.NDArray[np.integer[Any]]) -> Scores:
    """How likely each of ``places`` is among the K with the highest scores when equal ones are put in random order."""
    wanted = scores[places][:, None]
    ahead, equal = (scores > wanted).sum(axis=1), (scores == wanted).sum(axis=1)
    return np.asarray(np.clip((K - ahead) / equal, 0.0, 1.0), np.float64)


def active(history: History, item: int) -> float:
    return float(decay(history.now - history.time, ACTIVE_HALF_LIFE).sum())


def compared(what: str, mine: list[float], theirs: list[float], required: bool) -> Figure:
    """How many times as many are found, with its interval in the note."""
    values = np.stack([mine, theirs], axis=1)
    draws = draw_means(values, np.arange(len(values), dtype=np.int32), len(values), SEED)
    low, high = np.percentile(draws[:, 0] / np.maximum(draws[:, 1], 1e-9), [2.5, 97.5]).tolist()
    here, there = values.mean(axis=0).tolist()
    note = f"{low:.2f} to {high:.2f}; {here:.3f} against {there:.3f}, {len(values)} products"
    return Figure(what, here / max(there, 1e-9), "times", TARGET, at_least=True, required=required, note=note)


def measured(name: str, shop: Shop) -> Iterator[Figure]:
    model = NewItems.fit(shop.learnt, settings=NewItemsSettings(most_customers=0))
    buyers = sum(len(launch.buyers) for launch in shop.launches)
    yield Figure(f"{name}: first-week customers of new products", buyers, note=f"{len(shop.new)} new products")
    rank = partial(ours, model, shop.new)
    mine = list(found_by(shop, rank))
    popularity = category_popularity(shop)
    theirs = list(found_by(shop, lambda history: popularity))
    yield compared(f"{name}: found, over popularity in its category", mine, theirs, required=True)
    if shop.learnt.taxonomy is not None:
        theirs = list(found_by(shop, partial(own_categories, shop, popularity)))
        yield compared(f"{name}: found, over the visitor's own categories", mine, theirs, required=False)
    if shop.launches[0].customers is not None:
        cached: dict[int, Scores] = {}

        def of(history: History, item: int) -> float:
            scores = cached.setdefault(id(history), np.empty(0))
            if not len(scores):
                scores = cached[id(history)] = rank(history)
            return float(scores[np.searchsorted(shop.new, item)])

        mine = list(named_by(shop, of))
        theirs = list(named_by(shop, active))
        yield compared(f"{name}: customers named, over the most active", mine, theirs, required=False)


SHOPS: Final[dict[str, tuple[str, Callable[[Path, str], Shop]]]] = {
    "Online Retail": ("online_retail", online_retail),
    "RetailRocket": ("retailrocket_taxonomy_sessions", retailrocket),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=ORDER_PARTS, default="test")
    parser.add_argument("--only", choices=SHOPS, help="one of the two shops")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments: Any = parser.parse_args()
    figures: list[Figure] = []
    for name, (folder, read) in SHOPS.items():
        if arguments.only in (None, name):
            if (DATA / folder).exists():
                figures += measured(name, read(DATA, arguments.part))
            else:
                figures.append(skipped(f"{name}: new products", f"{DATA / folder} is missing; set SHOPFLOOR_TEST_DATA"))
    return report(f"New products in their first week, {arguments.part}", figures, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
