"""The bundle as an MLflow model, in MLflow's models-from-code form: this file is the code, the bundle the artifact.

It lets anyone load or serve a version with plain MLflow (``mlflow models serve --env-manager local``). Shopfloor's
own service opens the bundle directly, which is some hundred times faster.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd

from training.blend import propose
from training.bundle import Bundle
from training.interactions import History


class RegisteredModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # MLflow ships no types
    """Rows of ``item_ids`` (newest last) with optional ``placement`` and ``n`` become lists of items and scores."""

    def load_context(self, context: Any) -> None:
        self.bundle = Bundle.open(Path(context.artifacts["bundle"]), version="mlflow")

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        return pd.DataFrame([self._answer(row) for row in model_input.to_dict("records")])

    def _answer(self, row: Mapping[Any, Any]) -> dict[str, list[Any]]:
        known = [self.bundle.item_index[item] for item in row["item_ids"] if item in self.bundle.item_index]
        blended = propose(self.bundle, row.get("placement") or "home", History.of(known), int(row.get("n") or 20))
        return {"item_ids": self.bundle.item_ids[blended.item].tolist(), "scores": blended.score.tolist()}


mlflow.models.set_model(RegisteredModel())
