"""When ``shopfloor up`` runs its jobs."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ScheduleSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    materialize_minutes: Annotated[float, Field(ge=0)] = 60.0
    """Batch features are brought up to date this often; 0 leaves it to you."""
    train_minutes: Annotated[float, Field(ge=0)] = 24 * 60.0
    """A new model is trained, and promoted if it passes the gate, this often; 0 leaves it to you."""
    maintain_minutes: Annotated[float, Field(ge=0)] = 6 * 60.0
    """The log is pruned and the lake's small files are merged this often; 0 leaves it to you."""
    retry_minutes: Annotated[float, Field(gt=0)] = 5.0
    """A job that failed, for example because there are no events yet, is tried again after this long."""
