import re
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from tests.unit.training.candidate_suite import checker_board
from training.blend import Recipe
from training.candidates.covisitation import Covisitation
from training.candidates.popular import Popular
from training.evaluation import evaluation
from training.holdout import K, compare, split
from training.holdout_report import _counted, holdout_report, task_of
from training.interactions import Content, Taxonomy

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_the_report_of_a_training_tells_the_figures_of_its_comparison() -> None:
    earlier, questions = split(checker_board(visits=200), share=0.3, most=300, seed=0)
    models = {"covisitation": Covisitation.fit(earlier), "popular": Popular.fit(earlier)}
    recipes = {"home": Recipe({"covisitation": 1.0}), "popular": Recipe({"popular": 1.0})}
    comparison = compare(questions, models, recipes, seed=0)
    task = task_of(questions, earlier)
    counted = evaluation.rows(_counted("home", comparison.answers["home"], task), task, [20])
    figures = {row.metric: row.value for row in counted}
    assert figures["hr"] == comparison.figures["home.hr_20"].value
    assert figures["mrr"] == comparison.figures["home.mrr_20"].value
    page = holdout_report(comparison, questions, earlier, NOW, seed=0)
    assert f"{figures['mrr']:.4f}" in page
    assert "new version over popular" in page
    assert "01 March 2026, 09:00 UTC" in page


def test_the_report_of_a_training_is_as_rich_as_that_of_an_evaluation() -> None:
    shop = checker_board(visits=200)
    half = (np.arange(shop.n_items) < shop.n_items // 2).astype(np.int32)
    described = replace(
        shop,
        taxonomy=Taxonomy(half, half, ("tea things", "coffee things")),
        content=Content(("",) * len(half), half, np.arange(1, len(half) + 1, dtype=np.float32), half.astype(np.int64)),
    )
    earlier, questions = split(described, share=0.3, most=300, seed=0)
    comparison = compare(questions, {"popular": Popular.fit(earlier)}, {"home": Recipe({"popular": 1.0})}, seed=0)
    page = holdout_report(comparison, questions, earlier, NOW, seed=0)
    assert {"tea things", "coffee things", "Product lines", "Clicks of the visit so far"} <= set(re.split("[<>]", page))
    assert f"revenue@{K}" in page
    plain = holdout_report(comparison, questions, replace(earlier, taxonomy=None, content=None), NOW, seed=0)
    assert "Product lines" not in plain
    assert "revenue@" not in plain
    over_the_tree, by_customers = (
        re.findall(rf"diversity@{K}</td><td[^>]*>([0-9.]+)<", each) for each in (page, plain)
    )
    assert len(over_the_tree) == len(by_customers) == 1
    assert over_the_tree != by_customers


def test_the_reports_questions_are_the_hold_outs() -> None:
    earlier, questions = split(checker_board(visits=60), share=0.3, most=60, seed=0)
    task = task_of(questions, earlier)
    clicks = task.clicks()
    assert clicks is not None
    for number, question in enumerate(questions):
        asked = task.question(number)
        assert asked.history.in_session.tolist() == question.history.in_session.tolist()
        assert clicks[number] == question.history.in_session.sum()
        assert asked.history.item.tolist() == question.history.item.tolist()
        assert asked.relevant.tolist() == [question.item]
        assert asked.history.now == question.history.now
