"""How the service answers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ServingSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    deadline_ms: Annotated[float, Field(gt=0)] = 100.0
    """A recommendation is answered with what there is by then."""
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 5_000_000
