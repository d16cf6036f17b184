"""A search as one run in MLflow: each study is a series of scores, with its figures."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from training.search.figures import history_figure, importance_figure, importance_of
from training.search.held_out import Judged
from training.search.studies import scores_of
from training.tracked_run import Point, TrackedRun

if TYPE_CHECKING:
    from optuna import Study

FLUSH_SECONDS: Final = 5.0
"""Points wait at most about this long, so that thousands of quick trials do not wait for MLflow one by one."""
RESULT: Final = "search.toml"


class Tracking:
    def __init__(self, run: TrackedRun, clock: Callable[[], datetime]) -> None:
        self.run = run
        self._clock = clock
        self._waiting: list[Point] = []
        self._flushed = clock()

    def trial(self, series: str, number: int, score: float) -> None:
        now = self._clock()
        self._waiting.append(Point(f"{series}.ndcg_20", score, number, int(now.timestamp() * 1000)))
        if (now - self._flushed).total_seconds() >= FLUSH_SECONDS:
            self._flush()

    def study(self, series: str, study: "Study", in_force: float, seed: int) -> None:
        """Log what waits, and the figures of a study that has ended for now."""
        self._flush()
        scores = scores_of(study)
        name = series.replace("/", "-")
        figures: dict[str, Any] = {f"{name}.history.png": history_figure(series, scores, in_force)}
        importance = importance_of(study, seed)
        if importance:
            title = f"{series}: share of the spread of scores"
            figures[f"{name}.importance.png"] = importance_figure(title, importance)
        self.run.figures(figures)

    def judged(self, judged: Judged, document: str) -> None:
        """Log the hold-out, and the settings that were kept, empty when none were."""
        time_ms = int(self._clock().timestamp() * 1000)
        for each in judged.differences:
            figures: Mapping[str, float] = {
                "in_force": each.in_force,
                "chosen": each.chosen,
                "difference": each.difference.value,
                "difference.low": each.difference.low,
                "difference.high": each.difference.high,
            }
            series = f"held_out.{each.placement}" + ".ranked" * each.ranked
            self.run.points(Point(f"{series}.{name}", value, 0, time_ms) for name, value in figures.items())
        self.run.document(RESULT, document)

    def _flush(self) -> None:
        self.run.points(self._waiting)
        self._waiting, self._flushed = [], self._clock()
