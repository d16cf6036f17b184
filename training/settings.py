"""How models are trained and blended."""

from pydantic import BaseModel, ConfigDict


class TrainingSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 42
