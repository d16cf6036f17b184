"""A run in MLflow that lives as long as what it tells of: figures and series are added while it goes on."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

AT_ONCE: Final = 1000
"""Points that MLflow takes in one request."""


class Point(NamedTuple):
    series: str
    value: float
    step: int
    time_ms: int
    """Since 1970 UTC."""


class TrackedRun:
    def __init__(self, client: Any, run_id: str) -> None:
        self._client = client
        self.id = run_id

    def params(self, params: Mapping[str, Any]) -> None:
        """Told once: MLflow refuses another value for the same name."""
        for name, value in params.items():
            self._client.log_param(self.id, name, value)

    def points(self, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        metrics = [Metric(point.series, point.value, point.time_ms, point.step) for point in points]
        for first in range(0, len(metrics), AT_ONCE):
            self._client.log_batch(self.id, metrics=metrics[first : first + AT_ONCE])

    def figures(self, figures: Mapping[str, Any]) -> None:
        """File names to matplotlib figures; one of the same name is replaced."""
        for name, figure in figures.items():
            self._client.log_figure(self.id, figure, name)

    def document(self, name: str, text: str) -> None:
        self._client.log_text(self.id, text, name)

    def end(self, failed: bool = False) -> None:
        self._client.set_terminated(self.id, "FAILED" if failed else "FINISHED")
