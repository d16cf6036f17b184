from datetime import UTC, datetime

from tests.unit.training.candidate_suite import checker_board
from training.blend import Recipe
from training.candidates.covisitation import Covisitation
from training.candidates.popular import Popular
from training.evaluation import evaluation
from training.holdout import compare, split
from training.holdout_report import _counted, holdout_report, task_of

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


def test_the_reports_questions_are_the_hold_outs() -> None:
    earlier, questions = split(checker_board(visits=60), share=0.3, most=60, seed=0)
    task = task_of(questions, earlier)
    for number, question in enumerate(questions):
        asked = task.question(number)
        assert asked.history.item.tolist() == question.history.item.tolist()
        assert asked.relevant.tolist() == [question.item]
        assert asked.history.now == question.history.now
