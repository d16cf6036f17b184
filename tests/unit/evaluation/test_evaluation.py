"""Answering and counting, with models whose figures are known beforehand."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
import pytest

from training.candidates.candidate import Candidates
from training.candidates.popular import Popular
from training.evaluation.evaluation import answer, differences, rows, sliced_rows
from training.evaluation.protocol import Protocol, read_task
from training.evaluation.slices import Slice
from training.evaluation.task import Metric, Task
from training.interactions import History, Interactions


@dataclass(frozen=True)
class Fixed:
    """Proposes the same items to everybody."""

    name: ClassVar[str] = "fixed"
    items: tuple[int, ...]

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0) -> Self:
        return cls(tuple(range(interactions.n_items)))

    def propose(self, history: History, n: int) -> Candidates:
        item = np.array(self.items[:n], dtype=np.int32)
        return Candidates(item, np.linspace(1.0, 0.5, len(item), dtype=np.float32))

    def because(self, history: History, item: int) -> int | None:
        return None

    def save(self, folder: Path) -> None:
        raise NotImplementedError

    @classmethod
    def load(cls, folder: Path) -> Self:
        raise NotImplementedError


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """40 users; everyone saw a, and will take b; every second one also x, which training lacks."""
    users = range(40)
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    seen = [(user, "a") for user in users] + [(99, "b"), (99, "c"), (99, "d")]
    taken = [(user, "b") for user in users] + [(user, "x") for user in users if user % 2]
    pd.DataFrame(seen, columns=["user", "item"]).to_csv(train, index=False)
    pd.DataFrame(taken, columns=["user", "item"]).to_csv(test, index=False)
    return read_task(Protocol.USERS, train, test, {})


def numbers(task: Task, ids: str) -> tuple[int, ...]:
    return tuple(int(np.flatnonzero(task.train.item_ids == item)[0]) for item in ids)


def test_removed_items_make_room_for_the_next(task: Task) -> None:
    found = answer("fixed", Fixed(numbers(task, "ab")), task, k=1)
    recall, ndcg, coverage = rows(found, task, [1])
    assert recall.value == pytest.approx(0.75)  # half of the users also took an item that nobody can know
    assert ndcg.value == pytest.approx(1.0)
    assert coverage.value == pytest.approx(1 / 4)
    assert recall.n == 40
    assert recall.low < recall.value < recall.high


def test_a_model_without_hits_is_not_certain_to_have_none(task: Task) -> None:
    none, half = (answer(name, Fixed(numbers(task, name)), task, k=1) for name in ("c", "b"))
    recall, ndcg, _ = rows(none, task, [1])
    assert (recall.value, recall.low, ndcg.value, ndcg.low) == (0.0, 0.0, 0.0, 0.0)
    assert recall.high == ndcg.high == pytest.approx(0.0876, abs=1e-4)  # of 40 customers
    same = differences(none, replace(none, model="other"), task, [1])[0]
    assert (same.value, -same.low) == (0.0, same.high)
    assert same.high > 0.08
    assert differences(half, none, task, [1])[0].low > 0.5
    (sliced,) = sliced_rows(none, task, [1], [Slice("market=AT", asked=np.arange(40) < 10)])[:1]
    assert sliced.high > recall.high


def test_a_model_that_proposes_too_little_has_empty_places_not_hits(task: Task) -> None:
    found = answer("fixed", Fixed(numbers(task, "a")), task, k=3)
    assert [row.value for row in rows(found, task, [1, 3])] == [0.0] * 6


def test_difference_of_two_models_is_paired(task: Task) -> None:
    ours = answer("ours", Fixed(numbers(task, "b")), task, k=2)
    others = answer("others", Fixed(numbers(task, "cb")), task, k=2)
    gained = {(row.metric, row.k): row for row in differences(ours, others, task, [1, 2])}
    assert gained[Metric.RECALL, 1].value == pytest.approx(0.75)
    assert gained[Metric.RECALL, 2].value == 0
    assert 0.1 > gained[Metric.RECALL, 2].high == -gained[Metric.RECALL, 2].low > 0
    assert gained[Metric.NDCG, 2].low > 0
    assert gained[Metric.NDCG, 2].model == "ours - others"


def test_progress_is_told_of_every_question(task: Task) -> None:
    told: list[int] = []
    answer("fixed", Fixed(()), task, 1, told.append)
    assert sum(told) == len(task) == 40


def test_ties_do_not_follow_the_order_of_the_file(tmp_path: Path) -> None:
    """All items are equally popular; a model that ranks ties by number must not find what stands first in the file."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    pd.DataFrame({"user": range(400), "item": [f"{item:03}" for item in range(400)]}).to_csv(train, index=False)
    pd.DataFrame({"user": range(500, 520), "item": [f"{item:03}" for item in range(20)]}).to_csv(test, index=False)
    found = []
    for seed in range(20):
        task = read_task(Protocol.USERS, train, test, {}, seed=seed)
        found.append(rows(answer("popular", Popular.fit(task.train), task, 20), task, [20])[0].value)
    assert 0.01 < np.mean(found) < 0.12  # 20 of 400 by chance are 0.05; in the file's order it would be 1
