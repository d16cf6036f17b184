"""``python -m benchmarks.accuracy [--json OUT]``: every accuracy figure, beside its target and what was published.

It is ``shopfloor evaluate`` on the shared data sets, models with their defaults, nothing tuned on a test part. Exit
status 1 when a required target is missed. The data are found by SHOPFLOOR_TEST_DATA, else in ``../shared/data``.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from feature_repo.activity import Kind
from training.candidates.candidate import CandidateModel
from training.candidates.popular import Popular, PopularSettings
from training.candidates.session_knn import VMIS, SessionKnn
from training.evaluation.catalogue import Catalogue
from training.evaluation.evaluation import Answers, Row, answer, differences, rows
from training.evaluation.protocol import Protocol, read_task
from training.evaluation.task import Metric, Task
from training.models import fit_for

SEED: Final = 42


@dataclass(frozen=True, slots=True)
class DataSet:
    name: str
    protocol: Protocol
    train: str
    test: str
    columns: Mapping[str, str] = field(default_factory=dict)
    target: Kind | None = None
    items: str | None = None


CLICKS: Final = {"session": "SessionId", "item": "ItemId", "time": "Time"}
SERENADE: Final = DataSet("serenade_example", Protocol.SESSIONS, "train", "test", CLICKS)
YOOCHOOSE: Final = DataSet("yoochoose_100k", Protocol.SESSIONS, "train_tr", "train_valid", CLICKS)
TAXONOMY: Final = DataSet(
    "retailrocket_taxonomy_sessions", Protocol.SESSIONS, "train_sessions", "test_instances", items="item_attributes"
)
GOWALLA: Final = DataSet("gowalla_lightgcn", Protocol.USERS, "train", "test")
TAFENG: Final = DataSet("tafeng_nbr", Protocol.BASKETS, "history", "future")
NEXT_BUY: Final = DataSet("retailrocket_multibehavior", Protocol.USERS, "events", "test", {"time": "ts"}, Kind.BUY)


@dataclass(frozen=True, slots=True)
class Claim:
    """A figure to reach. ``times_popular`` sets the target as a multiple of plain popularity's figure."""

    data: DataSet
    model: str
    metric: Metric
    k: int
    target: float | None = None
    published: str = ""
    times_popular: float | None = None
    required: bool = True
    over: str | None = None
    """Claim the paired gain over this model instead: at least ``target``, and its interval above zero."""


CLAIMS: Final = (
    Claim(SERENADE, "session_knn", Metric.MRR, 20, 0.345, "Serenade .3401"),
    Claim(SERENADE, "session_knn", Metric.HR, 20, 0.670, "Serenade .6402"),
    Claim(YOOCHOOSE, "session_knn", Metric.HR, 20, times_popular=6.0),
    Claim(YOOCHOOSE, "session_knn", Metric.MRR, 20),
    Claim(YOOCHOOSE, "session_knn", Metric.HR, 20, 0.015, over="vmis_knn"),
    Claim(YOOCHOOSE, "covisitation", Metric.HR, 20),
    Claim(YOOCHOOSE, "ranked", Metric.HR, 20, 0.015, over="session_knn"),
    Claim(YOOCHOOSE, "ranked", Metric.MRR, 20, 0.015, over="session_knn"),
    Claim(TAXONOMY, "session_knn", Metric.HR, 20),
    Claim(TAXONOMY, "session_knn", Metric.MRR, 20),
    Claim(TAXONOMY, "ranked", Metric.HR, 20, 0.02, over="session_knn"),
    Claim(TAXONOMY, "ranked", Metric.HR, 20, 0.0, over="ranked_plain"),
    Claim(TAXONOMY, "ranked", Metric.MRR, 20, 0.0, over="ranked_plain", required=False),
    Claim(GOWALLA, "als", Metric.RECALL, 20, 0.160, "MF-BPR .1627, LightGCN .1820"),
    Claim(GOWALLA, "als", Metric.NDCG, 20, published="MF-BPR .1378, LightGCN .1547"),
    Claim(GOWALLA, "bspm", Metric.RECALL, 20, 0.187, "BSPM .192, SimpleX .1872"),
    Claim(GOWALLA, "bspm", Metric.NDCG, 20, 0.154, "BSPM .160, SimpleX .1557"),
    Claim(GOWALLA, "graph_filter", Metric.RECALL, 20, 0.187, "GF-CF .1849", required=False),
    Claim(GOWALLA, "graph_filter", Metric.NDCG, 20, 0.154, "GF-CF .1518", required=False),
    Claim(GOWALLA, "ease", Metric.RECALL, 20, published="EASE .1765, of all items"),
    Claim(GOWALLA, "ease", Metric.NDCG, 20, published="EASE .1467, of all items"),
    Claim(GOWALLA, "bpr", Metric.RECALL, 20, published="MF-BPR .1627"),
    Claim(GOWALLA, "bpr", Metric.NDCG, 20, published="MF-BPR .1378"),
    Claim(TAFENG, "buy_again", Metric.RECALL, 10, 0.138, "GP-TopFreq .135, TIFU-KNN .130"),
    Claim(TAFENG, "buy_again", Metric.NDCG, 10, 0.126, "GP-TopFreq .124, TIFU-KNN .115"),
    Claim(NEXT_BUY, "ranked", Metric.RECALL, 20, 0.33, "Gorse .079"),
    Claim(NEXT_BUY, "ranked", Metric.NDCG, 20, 0.18, "Gorse .042"),
)
"""What is not required yet is a goal of the quality work: shown, and no failure."""

PLAIN: Final[Mapping[str, Callable[[Task], CandidateModel]]] = {
    "popular": lambda task: Popular.fit(task.train, SEED, PopularSettings(half_life_days=1e6)),
    "vmis_knn": lambda task: SessionKnn.fit(task.train, SEED, VMIS),
}
"""What a model is compared with and that nobody serves: popularity that nothing takes from with time, and VMIS-kNN with
m = 500 and k = 100."""


@dataclass(frozen=True, slots=True)
class Result:
    data: str
    row: Row
    popular: float
    target: float | None
    published: str
    required: bool
    gain: bool = False

    @property
    def reached(self) -> bool:
        return self.target is None or (self.row.value >= self.target and (self.row.low > 0 or not self.gain))

    @property
    def failed(self) -> bool:
        return self.required and not self.reached


def measure(folder: Path, console: Console) -> Iterator[Result]:
    """Each claim's figure, and popularity's beside it; each data set is read once and each model fitted once."""
    for data, group in groupby(CLAIMS, key=lambda claim: claim.data):
        claims = list(group)
        place = folder / data.name
        files = place / f"{data.train}.parquet", place / f"{data.test}.parquet"
        task = read_task(data.protocol, *files, data.columns, seed=SEED, target=data.target)
        catalogue = Catalogue.read(place / f"{data.items}.parquet", {}, task.train.item_ids) if data.items else None
        k = max(claim.k for claim in claims)
        lists: dict[str, Answers] = {}
        figures: dict[tuple[str, Metric, int], Row] = {}
        compared = (name for claim in claims for name in (claim.model, claim.over) if name)
        for name in ("popular", *dict.fromkeys(compared)):
            console.print(f"{data.name}: {name}")
            fitted = PLAIN[name](task) if name in PLAIN else fit_for(name, task, SEED, data.target, catalogue)
            lists[name] = answer(name, fitted, task, k)
            figures |= {(name, row.metric, row.k): row for row in rows(lists[name], task, [k], SEED)}
        for claim in claims:
            row = figures[claim.model, claim.metric, claim.k]
            if claim.over:
                gains = differences(lists[claim.model], lists[claim.over], task, [claim.k], SEED)
                row = next(gain for gain in gains if gain.metric is claim.metric)
            popular = figures["popular", claim.metric, claim.k].value
            target = claim.times_popular * popular if claim.times_popular else claim.target
            yield Result(data.name, row, popular, target, claim.published, claim.required, bool(claim.over))


def table(results: list[Result]) -> Table:
    drawn = Table("data set", "model", "metric", title="Accuracy, full catalogue, 95 % bootstrap intervals")
    for heading in ("ours", "interval", "popular", "target", ""):
        drawn.add_column(heading, justify="right")
    drawn.add_column("published")
    for result in results:
        row = result.row
        mark = "" if result.target is None else "reached" if result.reached else "MISSED" if result.required else "goal"
        interval = f"{row.low:.4f} to {row.high:.4f}"
        target = "" if result.target is None else f"{result.target:.4f}"
        figures = (f"{row.value:.4f}", interval, f"{result.popular:.4f}", target, mark)
        drawn.add_row(result.data, row.model, f"{row.metric}@{row.k}", *figures, result.published)
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the results to this file")
    arguments = parser.parse_args()
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SHOPFLOOR_TEST_DATA", beside))
    notes = Console(stderr=True, markup=False, emoji=False)
    if not folder.is_dir():
        notes.print(f"there is no folder {folder}; set SHOPFLOOR_TEST_DATA to the folder of the data sets")
        return 66
    results = list(measure(folder, notes))
    Console(width=None if sys.stdout.isatty() else 160, markup=False, emoji=False).print(table(results))
    if arguments.json:
        found = [{**asdict(result), "reached": result.reached} for result in results]
        arguments.json.write_text(json.dumps({"rows": found}, indent=1) + "\n")
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
