"""An evaluation as one run in MLflow: its figures as metrics, its page and all its rows as artifacts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from feature_repo.errors import TryLater
from training.evaluation.evaluation import Row
from training.tracked_run import Point, TrackedRun

PAGE: Final = "report.html"
ROWS: Final = "rows.json"


def track(
    opened: Callable[[], TrackedRun],
    params: Mapping[str, Any],
    rows: Sequence[Row],
    documents: Mapping[str, str],
    now: datetime,
) -> str:
    """Log ``rows`` and ``documents``, file names to texts, to the run that ``opened`` gives, and end it; its id.

    A figure is called ``<model>.<metric>_<k>``, the ends of its interval ``.low`` and ``.high``. Rows of slices stand
    in the documents only. TryLater when MLflow cannot be reached or refuses; a run that was begun has failed then.
    """
    from mlflow.exceptions import MlflowException

    try:
        run = opened()
        try:
            run.params(params)
            run.points(_points(rows, int(now.timestamp() * 1000)))
            for name, text in documents.items():
                run.document(name, text)
        except BaseException:
            run.end(failed=True)
            raise
        run.end()
    except MlflowException as error:
        raise TryLater(f"the evaluation could not be logged to MLflow: {error}; its files are written") from error
    return run.id


def _points(rows: Sequence[Row], time_ms: int) -> Iterator[Point]:
    for row in rows:
        if row.slice is None:
            name = f"{row.model}.{row.metric}_{row.k}"
            for series, value in ((name, row.value), (f"{name}.low", row.low), (f"{name}.high", row.high)):
                yield Point(series, value, 0, time_ms)
