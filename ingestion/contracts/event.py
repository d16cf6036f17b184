"""The event contract, version 1: what a shop's software emits, in the GA4 e-commerce vocabulary.

This is the only definition. Validation, JSON Schema, OpenAPI and the lake's columns are derived from it.

Times are RFC 3339 with a zone and are kept in UTC. Money is in units of ``currency`` (ISO 4217), not in cents.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final, Self

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

CONTRACT_VERSION: Final = 1
MAX_ITEMS: Final = 500
FUTURE_LIMIT: Final = timedelta(hours=1)
SKEW_LIMIT: Final = timedelta(minutes=2)
LATE_LIMIT: Final = timedelta(hours=24)


class EventName(StrEnum):
    VIEW_ITEM_LIST = "view_item_list"
    SELECT_ITEM = "select_item"
    VIEW_ITEM = "view_item"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    ADD_TO_WISHLIST = "add_to_wishlist"
    BEGIN_CHECKOUT = "begin_checkout"
    PURCHASE = "purchase"
    REFUND = "refund"
    SEARCH = "search"
    LOGIN = "login"


SEGMENT_ALIASES: Final = {
    "Product List Viewed": EventName.VIEW_ITEM_LIST,
    "Product Clicked": EventName.SELECT_ITEM,
    "Product Viewed": EventName.VIEW_ITEM,
    "Product Added": EventName.ADD_TO_CART,
    "Product Removed": EventName.REMOVE_FROM_CART,
    "Product Added to Wishlist": EventName.ADD_TO_WISHLIST,
    "Checkout Started": EventName.BEGIN_CHECKOUT,
    "Order Completed": EventName.PURCHASE,
    "Order Refunded": EventName.REFUND,
    "Products Searched": EventName.SEARCH,
    "Signed In": EventName.LOGIN,
}

NEEDS_ITEMS: Final = frozenset(
    {
        EventName.VIEW_ITEM_LIST,
        EventName.SELECT_ITEM,
        EventName.VIEW_ITEM,
        EventName.ADD_TO_CART,
        EventName.REMOVE_FROM_CART,
        EventName.ADD_TO_WISHLIST,
        EventName.PURCHASE,
    }
)


NEEDS_TRANSACTION: Final = frozenset({EventName.PURCHASE, EventName.REFUND})


def _event_name(name: Any) -> Any:
    return SEGMENT_ALIASES.get(name, name) if isinstance(name, str) else name


Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Text = Annotated[str, StringConstraints(max_length=1024)]
Market = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Money = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
Time = Annotated[AwareDatetime, Field(strict=True, ge=EARLIEST, lt=LATEST)]
"""What a program writes that knows no time, the year 1 or 9999, is refused: moved to UTC it has no date at all."""

_CONTRACT = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, use_attribute_docstrings=True)


class Item(BaseModel):
    """One product in an event: a line of a basket, an entry of a list, the product viewed."""

    model_config = _CONTRACT

    item_id: Id
    """The shop's product number, as in the product catalogue."""
    item_name: Text | None = None
    item_category: Text | None = None
    item_category2: Text | None = None
    item_category3: Text | None = None
    item_category4: Text | None = None
    item_category5: Text | None = None
    price: Money | None = None
    """Price of one unit, in the event's currency."""
    quantity: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Units; absent means 1."""
    index: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Position in the list that showed the item, from 0."""
    item_list_id: Id | None = None
    """Which list showed the item, for example a placement."""


class Producer(BaseModel):
    """Who emitted the event."""

    model_config = _CONTRACT

    name: Id
    """Team or application, for example ``web-shop``."""
    version: Id | None = None
    """The version of the producer's side of the contract."""


class Consent(BaseModel):
    """What the customer agreed to. Absent means the shop needs no consent for this customer."""

    model_config = _CONTRACT

    analytics: bool = True
    personalisation: bool = True
    """False: the event is kept for analysis but never folded into this customer's features."""


class Event(BaseModel):
    """One thing a customer did."""

    model_config = _CONTRACT

    event_id: Id
    """Made by the client, unique; a retry sends the same one and counts once."""
    event_name: Annotated[EventName, BeforeValidator(_event_name)]
    event_time: Time
    """When it happened at the customer's, RFC 3339 with a zone."""
    user_id: Id | None = None
    """The customer's account. One of user_id and anonymous_id is required."""
    anonymous_id: Id | None = None
    """The visitor's device or browser."""
    session_id: Id | None = None
    market: Market | None = None
    """The country or shop, for example ``DE``; its catalogue and popularity are its own."""
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] | None = None
    """BCP 47, for example ``de-CH``."""
    currency: Currency | None = None
    """ISO 4217; required as soon as the event holds money."""
    items: Annotated[tuple[Item, ...], Field(max_length=MAX_ITEMS)] = ()
    transaction_id: Id | None = None
    """The order number; required for purchase and refund."""
    value: Money | None = None
    """Total of the event in ``currency``."""
    search_term: Text | None = None
    recommendation_id: Id | None = None
    """Which answer of ours caused this event."""
    producer: Producer | None = None
    consent: Consent | None = None

    @property
    def customer_key(self) -> str:
        """The key that keeps one customer's events in order: ``u:<user_id>``, else ``a:<anonymous_id>``."""
        return customer_key(self.user_id, self.anonymous_id)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        name = self.event_name
        if self.user_id is None and self.anonymous_id is None:
            raise _missing("user_id", "send user_id, anonymous_id or both: an event belongs to a customer")
        if not self.items and name in NEEDS_ITEMS:
            raise _missing("items", f"{name} needs at least one item")
        if self.currency is None and (self.value is not None or any(i.price is not None for i in self.items)):
            raise _missing("currency", "an event with money needs its currency (ISO 4217, for example EUR)")
        if self.transaction_id is None and name in NEEDS_TRANSACTION:
            raise _missing("transaction_id", f"{name} needs the order's transaction_id")
        if self.search_term is None and name is EventName.SEARCH:
            raise _missing("search_term", "search needs the search_term")
        if self.user_id is None and name is EventName.LOGIN:
            raise _missing("user_id", "login needs the user_id")
        return self


class QualityFlag(StrEnum):
    LATE = "late"
    """Arrived more than a day after it happened."""
    CLOCK_SKEW = "clock_skew"
    """The client's clock runs ahead of the server's."""
    UNKNOWN_ITEM = "unknown_item"
    """An item that the catalogue did not hold on arrival."""


class ReceivedEvent(Event):
    """An event as the log and the lake keep it: the client's fields and the server's."""

    received_at: Time
    """When the server, or the broker for a team's own producer, took it over."""
    quality_flags: tuple[QualityFlag, ...] = ()


def customer_key(user_id: str | None, anonymous_id: str | None) -> str:
    """The partition and feature-store key of a customer; an account wins over a device."""
    return f"u:{user_id}" if user_id is not None else f"a:{anonymous_id}"


def _missing(field: str, reason: str) -> PydanticCustomError:
    return PydanticCustomError("missing_for_event", "{reason}", {"field": field, "reason": reason})
