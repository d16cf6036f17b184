"""Models with their defaults on real data sets: the floor below which a change has broken something."""

import os
from pathlib import Path

import pytest

from feature_repo.activity import Kind
from training.evaluation.evaluation import answer, rows
from training.evaluation.protocol import Protocol, read_task
from training.evaluation.task import Metric
from training.models import fit_for

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SHOPFLOOR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
CLICKS = {"session": "SessionId", "item": "ItemId", "time": "Time"}


def figures(
    protocol: Protocol, train: str, test: str, model: str, k: int, columns: dict[str, str], target: Kind | None = None
) -> dict[str, float]:
    files = DATA / f"{train}.parquet", DATA / f"{test}.parquet"
    for file in files:
        if not file.is_file():
            pytest.skip(f"{file} is missing: point SHOPFLOOR_TEST_DATA at the folder of the shared data sets")
    task = read_task(protocol, *files, columns, seed=42, target=target)
    found = answer(model, fit_for(model, task, 42, target), task, k)
    return {row.metric: row.value for row in rows(found, task, [k])}


@pytest.mark.data
def test_session_knn_is_better_than_serenade() -> None:
    train, test = "serenade_example/train", "serenade_example/test"
    found = figures(Protocol.SESSIONS, train, test, "session_knn", 20, CLICKS)
    assert found[Metric.MRR] >= 0.345
    assert found[Metric.HR] >= 0.670


@pytest.mark.data
def test_buy_again_is_better_than_personal_and_group_frequency() -> None:
    found = figures(Protocol.BASKETS, "tafeng_nbr/history", "tafeng_nbr/future", "buy_again", 10, {})
    assert found[Metric.RECALL] >= 0.138
    assert found[Metric.NDCG] >= 0.126


@pytest.mark.data
def test_popularity_is_counted_as_published() -> None:
    """LightGCN's counting gives MostPop .0416 and .0317: ours must count the same, ties apart."""
    train, test = "gowalla_lightgcn/train", "gowalla_lightgcn/test"
    found = figures(Protocol.USERS, train, test, "popular", 20, {})
    assert found[Metric.RECALL] == pytest.approx(0.0416, abs=0.0003)
    assert found[Metric.NDCG] == pytest.approx(0.0317, abs=0.0003)


@pytest.mark.data
def test_the_ranker_foretells_the_next_purchase() -> None:
    files = "retailrocket_multibehavior/events", "retailrocket_multibehavior/test"
    found = figures(Protocol.USERS, *files, "ranked", 20, {"time": "ts"}, Kind.BUY)
    assert found[Metric.RECALL] >= 0.33
    assert found[Metric.NDCG] >= 0.18
