"""How models are trained and compared."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class TrainingSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    seed: int = 42
    window_days: Annotated[float, Field(gt=0)] | None = None
    """Learn from this many days before the newest interaction; absent: from everything."""
    most_events_a_day: Annotated[int, Field(ge=1)] = 1000
    """A customer with more events in one day is taken for a bot and left out."""
    holdout_share: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of sessions, the latest ones, on which a new version is compared."""
    holdout_questions: Annotated[int, Field(ge=1)] = 3000
    """At most about this many next clicks are asked for in the comparison."""
    margin: Annotated[float, Field(ge=0)] = 0.01
    """Promotion is refused when the interval of the difference to the champion reaches lower than minus this."""
