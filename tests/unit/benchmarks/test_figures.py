"""When a measured figure counts as reached, and what a run of benchmarks ends with."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import accuracy, next_order, serving
from benchmarks.accuracy import Result
from benchmarks.figures import Figure, document, from_document, report, skipped
from training.evaluation.evaluation import Row


class TestTargets:
    @pytest.mark.parametrize(
        ("measured", "at_least", "met"), [(10, False, True), (11, False, False), (10, True, True), (9, True, False)]
    )
    def test_the_target_itself_is_enough(self, measured: float, at_least: bool, met: bool) -> None:
        assert Figure("memory", measured, target=10, at_least=at_least).met is met

    def test_a_figure_without_a_target_is_neither_met_nor_missed(self) -> None:
        figure = Figure("memory", 10)
        assert (figure.met, figure.missed) == (None, False)

    def test_a_goal_that_is_not_required_fails_nothing(self) -> None:
        figure = Figure("recall", 0.1, target=0.2, at_least=True, required=False)
        assert (figure.met, figure.missed) == (False, False)

    def test_what_could_not_be_measured_here_is_not_missed(self) -> None:
        assert not skipped("Kafka to lake", "Java is missing: install it").missed


class TestReport:
    def test_one_missed_target_fails_the_run(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert report("all", [Figure("fast", 1, target=2), Figure("slow", 3, target=2)], None) == 1
        assert "MISSED" in capsys.readouterr().out

    def test_a_skipped_row_says_what_to_install(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert report("all", [Figure("fast", 1, command="x"), skipped("Kafka to lake", "install Java")], None) == 0
        assert "install Java" in capsys.readouterr().out

    def test_a_benchmarks_document_gives_its_figures_back(self, tmp_path: Path) -> None:
        figures = [Figure("fast", 1.5, "ms", 2, note="quiet"), skipped("slow", "why")]
        report("all", figures, tmp_path / "out.json")
        assert from_document(json.loads((tmp_path / "out.json").read_text())) == figures
        assert [row["met"] for row in document(figures)["rows"]] == [True, None]


class TestDocumentsOfOtherBenchmarks:
    def test_serving_is_held_to_its_cpu_when_busy_and_to_its_latency_at_the_highest_rate(self) -> None:
        row = {"requests": 9, "errors": 0, "p99_ms": 26.0, "cpu_ms_per_request": 2.1, "cpu_ms_least": 1.7}
        figures = serving({"products": 30_000, "rows": {"busy": row, "300/s": row, "100/s": row}})
        assert [figure.what for figure in figures if figure.missed] == [
            "recommendation, busy, 30,000 products: server CPU",
            "recommendation, 300/s, 30,000 products: p99",
        ]

    @pytest.mark.parametrize(("low", "met"), [(0.001, True), (-0.001, False)])
    def test_the_ranked_next_order_is_surely_better_than_each_model_alone(self, low: float, met: bool) -> None:
        figures = {"popular": 0.1, "als": 0.17, "buy_again": 0.24, "home, blended": 0.25, "home, ranked": 0.28}
        rows = [
            {"recipe": recipe, "market": "all", "metric": "recall_20", "figure": {"value": value},
             "over": {"value": 0.28 - value, "low": low, "high": 0.3}}
            for recipe, value in figures.items()
        ]  # fmt: skip
        blended, ranked = next_order({"rows": rows})
        assert (blended.met, ranked.met) == (True, met)
        assert ranked.note.startswith(f"over the best alone +0.0400, 95 % interval {low:+.4f}")

    def test_accuracy_keeps_which_targets_are_required(self) -> None:
        found = accuracy_row(value=0.1, target=0.2) | {"reached": False}
        required, goal = accuracy({"rows": [found, found | {"required": False}]})
        assert (required.missed, goal.missed) == (True, False)
        assert required.what == "gowalla: als recall@20"

    @pytest.mark.parametrize(("low", "met"), [(0.001, True), (-0.001, False)])
    def test_a_gain_is_met_only_where_its_interval_lies_above_zero(
        self, low: float, met: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        row = accuracy_row(value=0.019, target=0.015, low=low, gain=True)
        result = Result(**row | {"row": Row(**row["row"])})
        found = json.loads(json.dumps(asdict(result) | {"reached": result.reached}))
        (figure,) = (replace(figure, command="python -m x") for figure in accuracy({"rows": [found]}))
        assert (figure.met, figure.missed) == (met, not met)
        assert figure.note == f"95 % interval {low:.4f} to 0.0300"
        assert from_document(document([figure])) == [figure]
        assert report("all", [figure], None) == (0 if met else 1)
        assert ("interval" in capsys.readouterr().out) is not met


def accuracy_row(*, value: float, target: float, low: float = 0.05, gain: bool = False) -> dict[str, Any]:
    """A result of ``benchmarks.accuracy`` in its JSON, but for whether it is reached."""
    row = {"model": "als", "metric": "recall", "k": 20, "value": value, "low": low, "high": 0.03, "n": 100}
    told = {"popular": 0.04, "target": target, "published": "Gorse .01", "required": True, "gain": gain}
    return {"data": "gowalla", "row": row, **told}
