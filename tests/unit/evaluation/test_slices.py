"""Slices: which questions and right answers are in which, and what counts there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.evaluation.test_evaluation import Fixed, numbers
from training.evaluation.catalogue import Catalogue
from training.evaluation.evaluation import answer, rows, sliced_rows
from training.evaluation.protocol import Protocol, read_task
from training.evaluation.slices import NAMED, slices_of
from training.evaluation.task import Metric, Task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """a is the head, b torso, c and d tail. Of four customers the last is new; x and y are items nobody had."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    pd.DataFrame(
        [("u", "a", "AT", 1)] * 6
        + [("v", "b", "DE", 2)] * 3
        + [("w", "c", "DE", 3), ("v", "d", "DE", 4), ("w", "d", "DE", 4)],
        columns=["user", "item", "market", "time"],
    ).to_csv(train, index=False)
    taken = [("u", "b", 9), ("u", "x", 9), ("v", "a", 9), ("w", "a", 9), ("new", "c", 9), ("new", "y", 9)]
    pd.DataFrame(taken, columns=["user", "item", "time"]).to_csv(test, index=False)
    return read_task(Protocol.USERS, train, test, {})


def recalls(task: Task, items: str, catalogue: Catalogue | None = None) -> dict[str | None, tuple[float, int]]:
    found = answer("fixed", Fixed(numbers(task, items)), task, k=2)
    sliced = sliced_rows(found, task, [2], slices_of(task, catalogue))
    return {row.slice: (row.value, row.n) for row in sliced if row.metric is Metric.RECALL}


def test_each_slice_counts_its_own_questions_and_right_answers(task: Task) -> None:
    assert recalls(task, "ab") == {
        "customer=new": (0.0, 1),
        "customer=known": (pytest.approx((0.5 + 1 + 1) / 3), 3),
        "item=new": (0.0, 2),
        "item=head": (1.0, 2),
        "item=torso": (1.0, 1),
        "item=tail": (0.0, 1),
        "market=AT": (0.5, 1),
        "market=DE": (1.0, 2),
        "history=0": (0.0, 1),
        "history=1-4": (1.0, 2),
        "history=5-19": (0.5, 1),
    }


def test_an_interval_of_a_slice_is_drawn_from_its_own_clusters(task: Task) -> None:
    found = answer("fixed", Fixed(numbers(task, "ab")), task, k=2)
    by_slice = {(row.slice, row.metric): row for row in sliced_rows(found, task, [2], slices_of(task))}
    known = by_slice["customer=known", Metric.RECALL]
    assert 0.5 <= known.low < known.value < known.high <= 1
    alone = by_slice["customer=new", Metric.RECALL]
    assert alone.low == 0
    assert alone.high > 0.7  # one customer: next to nothing is known


def test_the_difference_in_a_slice_is_paired(task: Task) -> None:
    ours, other = (answer(name, Fixed(numbers(task, items)), task, 1) for name, items in (("ours", "ba"), ("o", "ab")))
    gains = sliced_rows(ours, task, [1], slices_of(task), other=other)
    head = next(row for row in gains if row.slice == "item=head" and row.metric is Metric.RECALL)
    assert (head.model, head.value, head.n) == ("ours - o", pytest.approx(-0.5), 2)


def test_product_lines_come_from_the_items_file(task: Task, tmp_path: Path) -> None:
    items = tmp_path / "items.csv"
    items.write_text("item,category,parent_category\na,mugs,kitchen\nb,pans,kitchen\nc,,\nd,beds,\n")
    catalogue = Catalogue.read(items, {}, task.train.item_ids)
    lines = {name: figures for name, figures in recalls(task, "ab", catalogue).items() if "category" in str(name)}
    assert lines == {}  # all that was taken and has a line is of the kitchen: one part would repeat the total
    assert [catalogue.lines[line] for line in catalogue.line[list(numbers(task, "abd"))]] == ["kitchen"] * 2 + ["beds"]
    assert catalogue.line[list(numbers(task, "c"))] == -1


def test_many_markets_are_the_largest_and_all_others_together(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    pairs = [(user, f"m{user % 12}") for user in range(30)]
    seen = pd.DataFrame([(user, "a", market, 1) for user, market in pairs], columns=["user", "item", "market", "time"])
    seen.to_csv(train, index=False)
    seen.assign(item="b", time=2).to_csv(test, index=False)
    parts = [part for part in slices_of(read_task(Protocol.USERS, train, test, {})) if part.name.startswith("market=")]
    assert len(parts) == NAMED + 1
    assert parts[-1].name == "market=(others)"
    asked = np.array([part.asked for part in parts])
    assert (asked.sum(axis=0) == 1).all()


def test_new_customers_of_sessions_are_told_by_their_column(tmp_path: Path) -> None:
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    columns = ["session", "user", "item"]
    pd.DataFrame([(1, "u", "a"), (1, "u", "b")], columns=columns).to_csv(train, index=False)
    visits = [(2, "u", "a"), (2, "u", "b"), (3, "n", "b"), (3, "n", "a"), (3, "n", "b")]
    pd.DataFrame(visits, columns=columns).to_csv(test, index=False)
    task = read_task(Protocol.SESSIONS, train, test, {})
    found = answer("fixed", Fixed(numbers(task, "b")), task, k=1)
    hits = {row.slice: (row.value, row.n) for row in sliced_rows(found, task, [1], slices_of(task))}
    assert hits["customer=known"] == (1.0, 1)
    assert hits["customer=new"] == (0.5, 2)


def test_slices_by_question_add_up_to_the_total(task: Task) -> None:
    found = answer("fixed", Fixed(numbers(task, "ca")), task, k=2)
    total = next(row for row in rows(found, task, [2]) if row.metric is Metric.NDCG)
    for kind in ("customer", "history"):
        parts = [row for row in sliced_rows(found, task, [2], slices_of(task)) if str(row.slice).startswith(kind)]
        ndcg = [row for row in parts if row.metric is Metric.NDCG]
        assert sum(row.n for row in ndcg) == total.n
        assert sum(row.n * row.value for row in ndcg) / total.n == pytest.approx(total.value)
