"""The exposure, version 1: what one answer showed, and how likely it was to be shown.

With the events that name its ``recommendation_id`` it is what off-policy evaluation and ranker training need.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.event import Time


class ExposedItem(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    item_id: str
    position: int
    """From 0."""
    score: float
    propensity: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
    """Probability, in (0, 1], that the policy puts this item at this position; 1 where nothing was left to chance."""
    reason: str


class Exposure(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    recommendation_id: str
    shown_at: Time
    customer_key: str
    placement: str
    market: str | None = None
    model_version: str | None = None
    variant: str | None = None
    degraded: tuple[str, ...] = ()
    """The steps of the fallback ladder that were taken."""
    items: tuple[ExposedItem, ...] = ()
    asked_with: tuple[str, ...] = ()
    """The question's other fields that said something: ``item_ids``, ``recent_item_ids``, ``category_ids``,
    ``exclude_item_ids``. What they said is not kept, so that nobody can ask the same again."""
