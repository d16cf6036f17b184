"""Novelty, diversity, the bestsellers' share and money, on lists whose figures are known beforehand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.unit.evaluation.test_evaluation import Fixed, numbers
from training.evaluation.breadth import Breadth
from training.evaluation.catalogue import Catalogue
from training.evaluation.evaluation import answer, breadth_rows
from training.evaluation.protocol import Protocol, read_task
from training.evaluation.task import Metric, Task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Of 8 customers all touched a, four b, two c, and one each d and e; f is taken and known to nobody."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    touched = [(user, item) for item, n in (("a", 8), ("b", 4), ("c", 2)) for user in range(n)] + [(6, "d"), (7, "e")]
    pd.DataFrame(touched, columns=["user", "item"]).to_csv(train, index=False)
    pd.DataFrame([(7, "b"), (7, "f"), (6, "c")], columns=["user", "item"]).to_csv(test, index=False)
    return read_task(Protocol.USERS, train, test, {})


def figures(task: Task, items: str, k: int, catalogue: Catalogue | None = None) -> dict[Metric, tuple[float, int]]:
    model = Fixed(numbers(task, items))
    found = breadth_rows(answer("fixed", model, task, k), task, [k], Breadth.of(task, catalogue, seed=0))
    return {row.metric: (row.value, row.n) for row in found}


def read(tmp_path: Path, task: Task, text: str) -> Catalogue:
    items = tmp_path / "items.csv"
    items.write_text(text)
    return Catalogue.read(items, {}, task.train.item_ids)


def test_novelty_is_the_self_information_of_what_is_shown(task: Task) -> None:
    assert figures(task, "bc", k=2)[Metric.NOVELTY] == (pytest.approx((1 + 2) / 2), 2)


def test_items_that_nobody_touched_together_are_as_different_as_can_be(task: Task) -> None:
    assert figures(task, "bd", k=2)[Metric.DIVERSITY][0] == pytest.approx(1.0)
    # All who touched c touched b, and half of those who touched b: cosine 2 / sqrt(2 * 4).
    assert figures(task, "bc", k=2)[Metric.DIVERSITY][0] == pytest.approx(1 - 2 / np.sqrt(8))


def test_diversity_is_taken_over_the_taxonomy_where_there_is_one(task: Task, tmp_path: Path) -> None:
    text = "item,category,parent_category\na,tea,drinks\nb,tea,drinks\nc,wine,drinks\nd,beds,rest\ne,,\n"
    catalogue = read(tmp_path, task, text)
    # b and c share the line, d shares nothing with them; e has no category and says nothing. The customer who has e
    # is shown b, c, d; the one who has d is shown b, c, e.
    assert figures(task, "bcde", 4, catalogue)[Metric.DIVERSITY][0] == pytest.approx(((0.5 + 1 + 1) / 3 + 0.5) / 2)


def test_a_list_of_one_item_has_no_diversity_and_an_empty_one_no_novelty(task: Task) -> None:
    alone = figures(task, "b", k=2)
    assert Metric.DIVERSITY not in alone
    assert alone[Metric.NOVELTY] == (pytest.approx(1.0), 2)
    assert figures(task, "", k=2) == {}


def test_bestsellers_share_counts_the_top_hundredth_and_at_least_one_item(task: Task) -> None:
    assert figures(task, "bcd", k=2)[Metric.TOP_SHARE][0] == 0
    top = Breadth.of(task, None, seed=0).top
    assert top.tolist() == [item == "a" for item in task.train.item_ids.tolist()]


def test_money_counts_what_training_lacks_at_the_median_price(task: Task, tmp_path: Path) -> None:
    catalogue = read(tmp_path, task, "item,price\na,1\nb,10\nc,2\nd,2\ne,0\n")
    # Taken: b (10), f (unknown: the median of 1, 2, 2, 10 is 2) and c (2); found: b.
    assert figures(task, "b", 1, catalogue)[Metric.REVENUE] == (pytest.approx(10 / 14), 2)


def test_without_prices_there_is_no_figure_of_money(task: Task, tmp_path: Path) -> None:
    assert Metric.REVENUE not in figures(task, "bc", 2, read(tmp_path, task, "item,category\na,tea\n"))


@pytest.mark.parametrize("items", ["item,category,price\na,tea,2\n", "item,name\na,A\n"])
def test_a_catalogue_of_one_item(items: str, tmp_path: Path) -> None:
    """Its only list has one item and one empty place, or, where the customer has had it, two empty ones."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("user,item\nanna,a\n")
    test.write_text("user,item\nanna,a\nben,a\n")
    task = read_task(Protocol.USERS, train, test, {})
    found = figures(task, "a", 2, read(tmp_path, task, items))
    assert found[Metric.NOVELTY] == (0.0, 1)
    assert found[Metric.TOP_SHARE] == (1.0, 1)
    assert Metric.DIVERSITY not in found
    assert found.get(Metric.REVENUE, (0.5, 2)) == (0.5, 2)
