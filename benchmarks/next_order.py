"""The next order of customers who come back, on the real orders of Online Retail, without any server.

    python -m benchmarks.next_order [--part validation] [--json OUT]

Everything is fitted on what came before one moment and asked for the first order after it of each customer known by
then, before the first click of that visit. Settings and weights were chosen on ``validation`` (before September 2011,
asked until November); ``test`` (before November, asked until the end in December) is what is published.
"""

import argparse
import json
import os
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
from rich.console import Console
from rich.table import Table

from feature_repo.activity import Kind
from serving.rules import varied
from serving.settings import ServingSettings
from training.blend import BLENDS, DEPTH, ORDER, Recipe
from training.candidates import MODELS
from training.candidates.als import Als
from training.candidates.candidate import CandidateModel, propose_all
from training.evaluation.bootstrap import Interval, draw_means, interval
from training.evaluation.protocol import shuffled
from training.folds import before
from training.interactions import EVENT, SESSION, TIME, USER, Interactions, Ints, from_frame
from training.model_settings import ModelSettings
from training.next_order import NextOrder, next_orders
from training.rehearsal import rehearse
from training.returning import METRICS, K, accuracy, blended_lists
from training.settings import TrainingSettings
from training.shown_answers import ShownAnswers

SEED: Final = 42
DATA: Final = Path(os.environ.get("SHOPFLOOR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
PARTS: Final = {
    "validation": (datetime(2011, 9, 1, tzinfo=UTC), datetime(2011, 11, 1, tzinfo=UTC)),
    "test": (datetime(2011, 11, 1, tzinfo=UTC), datetime(2012, 1, 1, tzinfo=UTC)),
}
BLENDED: Final = "home, blended"
OURS: Final = "home, ranked"
SERVED: Final = "home, served"
ALONE: Final = ("popular", "als", "graph_filter", "buy_again", "session_knn", "covisitation")
RECIPES: Final = {
    **{name: Recipe({name: 1.0}) for name in ALONE},
    "home, visiting": Recipe(BLENDS["home"]),
    BLENDED: Recipe(BLENDS["home/returning"]),
}
ROWS: Final = (*RECIPES, OURS, SERVED)
"""``OURS`` is BLENDED in the order of a ranker, taught as ``shopfloor train`` does; ``SERVED`` is that after the rule
that keeps near-copies apart, with its default."""
CANDIDATES: Final = 4 * K
MARKETS: Final = {"United Kingdom": "GB", "Germany": "DE", "France": "FR"}
REST: Final = "rest"

_ORDERS: Final = """
SELECT upper(StockCode) AS item, InvoiceNo, Country AS country, epoch(min(InvoiceDate))::BIGINT AS time,
       coalesce(CAST(CustomerID AS BIGINT)::VARCHAR, 'invoice-' || InvoiceNo) AS user
FROM read_parquet(?)
WHERE regexp_matches(StockCode, '^[0-9]{5}') AND Quantity > 0 AND UnitPrice > 0 AND NOT starts_with(InvoiceNo, 'C')
GROUP BY ALL ORDER BY time, InvoiceNo, item
"""
"""As the importer reads them: products only, and an invoice without a customer is a customer of its own."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of one recipe on the customers of one market; ``over`` is how much better OURS is, paired."""

    recipe: str
    market: str
    metric: str
    customers: int
    figure: Interval
    over: Interval


def read_orders(file: Path) -> Interactions:
    """Every order as purchases; a pause of half an hour begins a new visit."""
    frame = duckdb.execute(_ORDERS, [str(file)]).df()
    by_user = frame.sort_values([USER, TIME], kind="stable")
    opens = (by_user[USER] != by_user[USER].shift()) | (by_user[TIME].diff() > 30 * 60)
    frame[SESSION] = opens.cumsum().reindex(frame.index)
    frame[EVENT] = np.int8(Kind.BUY)
    frame["market"] = frame["country"].map(MARKETS).fillna(REST)
    return shuffled(from_frame(frame), SEED)


def measure(orders: list[NextOrder], lists: dict[str, list[Ints]], markets: tuple[str, ...]) -> Iterator[Row]:
    """Each recipe's figures on all customers and on those of each market, with 95 % intervals over customers."""
    values = np.concatenate([accuracy(orders, lists[recipe]) for recipe in ROWS], axis=1)
    of_order = np.array([markets[order.history.market] for order in orders])
    ours = len(METRICS) * ROWS.index(OURS)
    for market in ("all", *MARKETS.values(), REST):
        asked = values[(of_order == market) | (market == "all")]
        draws = draw_means(asked, np.arange(len(asked), dtype=np.int32), len(asked), SEED)
        means = asked.mean(axis=0)
        for number, recipe in enumerate(ROWS):
            for offset, metric in enumerate(METRICS):
                column, best = len(METRICS) * number + offset, ours + offset
                figure = interval(means[column], draws[:, column])
                over = interval(means[best] - means[column], draws[:, best] - draws[:, column])
                yield Row(recipe, market, f"{metric}_{K}", len(asked), figure, over)


def ranked(earlier: Interactions) -> Recipe:
    """The returning blend with the ranker that a training on ``earlier`` makes."""
    settings = TrainingSettings(seed=SEED)
    chosen = ModelSettings.of(settings)

    def fit(interactions: Interactions, names: Collection[str]) -> dict[str, CandidateModel]:
        return {name: chosen.fit(name, interactions, SEED) for name in sorted(names)}

    def told(step: str, done: int, total: int) -> None:
        print(f"{step} {done}/{total}", file=sys.stderr) if done in (0, total) else None

    nobody = ShownAnswers.none()
    rehearsal = rehearse(earlier, nobody, BLENDS, None, None, fit, settings, datetime.now(UTC), told)
    return replace(RECIPES[BLENDED], ranker=rehearsal.rankers(earlier, SEED, told).get(ORDER))


def served(
    orders: list[NextOrder], models: dict[str, CandidateModel], recipe: Recipe, taste: Als
) -> tuple[list[Ints], dict[str, float]]:
    """The lists of a recipe as the service varies them, and how alike two items of a list are before and after."""
    weights = recipe.weights
    variety = float(ServingSettings().variety)
    lists: list[Ints] = []
    likeness = np.zeros((len(orders), 2))
    proposals = {name: propose_all(models[name], [o.history for o in orders], DEPTH) for name in weights}
    for number in range(len(orders)):
        proposed = {name: found[number] for name, found in proposals.items()}
        found = recipe.answer(proposed, orders[number].history, CANDIDATES)
        alike = taste.alike(found.item)
        order = varied(found.score, alike, K, variety)[:K]
        lists.append(found.item[order])
        for column, places in enumerate((list(range(min(K, len(found.item)))), order)):
            pairs = alike[np.ix_(places, places)][np.triu_indices(len(places), 1)]
            likeness[number, column] = pairs.mean() if len(pairs) else 0.0
    return lists, dict(zip((OURS, SERVED), likeness.mean(axis=0).tolist(), strict=True))


def table(rows: list[Row], part: str) -> Table:
    drawn = Table("market", "customers", "recipe", title=f"Next order, {part}; 95 % bootstrap intervals over customers")
    for metric in METRICS:
        drawn.add_column(f"{metric}@{K}", justify="right")
        drawn.add_column(f"{OURS} is better by", justify="right")
    for recall, ndcg in zip(rows[::2], rows[1::2], strict=True):
        cells = [
            text
            for row in (recall, ndcg)
            for text in (_shown(row.figure, ""), "" if row.recipe == OURS else _shown(row.over, "+"))
        ]
        drawn.add_row(
            recall.market, str(recall.customers), recall.recipe, *cells, end_section=recall.recipe == ROWS[-1]
        )
    return drawn


def _shown(figure: Interval, sign: str) -> str:
    return f"{figure.value:{sign}.3f} ({figure.low:{sign}.3f} to {figure.high:{sign}.3f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, default="test")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    file = DATA / "online_retail" / "online_retail.parquet"
    if not file.exists():
        print(f"{file} is missing; set SHOPFLOOR_TEST_DATA to the folder that holds online_retail/", file=sys.stderr)
        return 66
    interactions = read_orders(file)
    cut, until = (int(moment.timestamp()) for moment in PARTS[arguments.part])
    orders = next_orders(interactions, cut, until, len(interactions), SEED)
    earlier = before(interactions, cut)
    names = {name for recipe in RECIPES.values() for name in recipe.weights}
    models: dict[str, CandidateModel] = {name: MODELS[name].fit(earlier, seed=SEED) for name in sorted(names)}
    taste = models[Als.name]
    assert isinstance(taste, Als)
    ours = ranked(earlier)
    varied_lists, likeness = served(orders, models, ours, taste)
    lists = blended_lists(orders, models, {**RECIPES, OURS: ours}) | {SERVED: varied_lists}
    rows = list(measure(orders, lists, interactions.markets))
    console = Console(width=None if sys.stdout.isatty() else 150, markup=False, emoji=False)
    console.print(table(rows, arguments.part))
    for recipe, mean in likeness.items():
        console.print(f"{recipe}: mean likeness of two items of a list {mean:.3f} (cosine of ALS factors)")
    if arguments.json:
        found = [
            {**asdict(row), "figure": row.figure._asdict(), "over": row.over._asdict(), "part": arguments.part}
            for row in rows
        ]
        arguments.json.write_text(json.dumps({"rows": found, "likeness": likeness}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
