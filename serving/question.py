"""What a recommendation request says and what its answer holds: the HTTP contract, defined once."""

from typing import Annotated, Final

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from ingestion.contracts.event import Id, Market

MAX_LIMIT: Final = 100
MAX_CONTEXT_ITEMS: Final = 100

_STRICT = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, use_attribute_docstrings=True)


class Filters(BaseModel):
    """What the page can show at all."""

    model_config = _STRICT

    category_ids: Annotated[tuple[Id, ...], Field(max_length=50)] = ()
    """Only products in or below one of these categories."""
    exclude_item_ids: Annotated[tuple[Id, ...], Field(max_length=500)] = ()
    """Products that the page shows already."""


class Question(BaseModel):
    """A request for recommendations. Without any customer the answer follows from the items, or is what is popular."""

    model_config = _STRICT

    placement: Id = Field(examples=["home"])
    """Where the answer will stand: home, product, bought-together, cart, category, search-empty, buy-again, email, new,
    trending."""
    user_id: Id | None = Field(None, examples=["c-1042"])
    """The customer's account."""
    anonymous_id: Id | None = None
    """The visitor's device or browser."""
    market: Market | None = Field(None, examples=["DE"])
    item_ids: Annotated[tuple[Id, ...], Field(max_length=MAX_CONTEXT_ITEMS)] = ()
    """Products in view or in the cart; they are not recommended."""
    recent_item_ids: Annotated[tuple[Id, ...], Field(max_length=MAX_CONTEXT_ITEMS)] = ()
    """Products viewed lately, oldest first, that the shop knows before our features do."""
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 10
    filters: Filters = Filters()


class AnswerItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One recommended product. Name, price and addresses come from the catalogue, where it has them."""

    item_id: str
    score: float
    """Where a ranker ordered the list (``home``, ``search-empty``, ``email``, as far as the version has one): the
    probability that the customer goes to this item next. Elsewhere, and for what only fills a short list up, comparable
    within this answer alone. Never rises down the list, but where the shop's rules moved an item."""
    reason: str
    """In words for the customer or the merchandiser."""
    name: str | None = None
    price: float | None = None
    currency: str | None = None
    url: str | None = None
    image_url: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """The recommendations. ``degraded`` names the steps of the fallback ladder that were taken, in order."""

    recommendation_id: str
    """Send it with the events that this answer causes."""
    model_version: str | None
    variant: str | None
    degraded: list[str]
    """``no-features``, ``no-ranker``, ``no-model``, ``popular``, ``newest``; empty when everything worked."""
    notes: list[str]
    """What was ignored in the request, such as an unknown item."""
    items: list[AnswerItem]
