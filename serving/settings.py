"""How the service answers."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ingestion.contracts.event import Id
from serving.placements import PLACEMENTS


class ServingSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    deadline_ms: Annotated[float, Field(gt=0)] = 100.0
    """A recommendation is answered with what there is by then."""
    body_limit_bytes: Annotated[int, Field(ge=1024)] = 5_000_000
    """A request with a larger body is refused with 413."""
    remembered_event_ids: Annotated[int, Field(ge=0)] = 100_000
    """Recently accepted event ids kept in memory to answer a retry; the guarantee itself lives in the stream."""
    exposure_queue: Annotated[int, Field(ge=1)] = 10_000
    """Answers that may wait to be logged; further ones are dropped and counted."""
    model_poll_seconds: Annotated[float, Field(gt=0)] = 1.0
    """How often the champion alias is looked up."""
    start_seconds: Annotated[float, Field(ge=0)] = 30.0
    """How long the first request may wait until catalogue and model are loaded; later the service starts without."""
    category_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """At most this share of one answer comes from one category, on placements that mix categories."""
    variety: Annotated[float, Field(ge=0, le=1)] = 0.1
    """How much an item's likeness to those above it counts against its score, for customers who come back, on
    placements that mix categories; 0 for not at all. Within a visit near-copies are what is looked for."""
    pins: Mapping[str, tuple[Id, ...]] = {}
    """Placement to items that stand first there, as far as the market sells them."""
    most_drift: Annotated[float, Field(gt=0)] = 0.25
    """Stability index up to which what answers are made from counts as what the model learnt from (docs/drift.md)."""
    explore_share: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """Share of places in an answer that show another candidate than the best, drawn at random with a logged
    probability, so that `shopfloor estimate` can tell what another model would earn. A long answer explores less than
    this: two places change at most."""

    @field_validator("pins")
    @classmethod
    def _known_placements(cls, pins: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
        for placement in pins:
            if placement not in PLACEMENTS:
                raise ValueError(f"{placement!r} is no placement; known are {', '.join(PLACEMENTS)}")
        return pins
