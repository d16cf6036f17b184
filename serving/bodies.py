"""Bodies of requests and answers beside the recommendation's, for parsing and for the OpenAPI document."""

from datetime import UTC, datetime
from typing import Self

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from feature_repo.activity import Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from ingestion.contracts.event import Event
from ingestion.contracts.product import Product
from ingestion.contracts.taxonomy import Category

_STRICT = ConfigDict(frozen=True, extra="forbid")


class EventBatch(BaseModel):
    """Events of any customers. Each is accepted or rejected on its own."""

    model_config = _STRICT

    events: tuple[Event, ...] = Field(min_length=1)


class ProductBatch(BaseModel):
    """Products, each accepted or rejected on its own; an accepted one replaces its earlier record."""

    model_config = _STRICT

    products: tuple[Product, ...] = Field(min_length=1)


class TaxonomyBody(BaseModel):
    """The whole tree; it replaces the one before."""

    model_config = _STRICT

    categories: tuple[Category, ...] = Field(min_length=1)


class SeenInteraction(msgspec.Struct, frozen=True):
    """One item that the customer had to do with; ``action`` is view, wish, cart or buy."""

    event_time: datetime
    action: str
    item_id: str
    event_id: str


class BoughtItem(msgspec.Struct, frozen=True):
    item_id: str
    orders: int
    """In how many orders it stood."""
    last_bought_at: datetime


class Profile(msgspec.Struct, frozen=True):
    """The customer's orders as of the last materialisation. Money is in ``currency``."""

    n_orders: int
    n_items: int
    spend: float
    currency: str
    first_order_at: datetime
    last_order_at: datetime
    mean_days_between_orders: float
    """0 until there are two orders."""
    bought: list[BoughtItem]
    top_categories: dict[str, float]
    """Category to its share of what was bought."""
    main_market: str
    price_level: float
    """Mean price of a unit bought."""


class UserFeatures(msgspec.Struct, frozen=True):
    """What online features know of a customer now; interactions newest first."""

    user_id: str
    interactions: list[SeenInteraction]
    devices: list[str]
    profile: Profile | None

    @classmethod
    def of(cls, user_id: str, customer: CustomerFeatures) -> Self:
        activity, profile = customer.activity, customer.profile
        return cls(
            user_id=user_id,
            interactions=[
                SeenInteraction(_time(seen.time_us), Kind(seen.kind).name.lower(), seen.item_id, seen.event_id)
                for seen in reversed(activity.interactions)
            ],
            devices=list(activity.links),
            profile=None if profile is None else _profile(profile),
        )


class Erased(msgspec.Struct, frozen=True):
    """The online features that are gone. What log, lake, dead letters and exposures hold is not touched by this."""

    user_id: str
    erased_keys: list[str]


class Health(msgspec.Struct, frozen=True):
    status: str


def _profile(profile: UserProfile) -> Profile:
    bought = zip(profile.bought_items, profile.bought_counts, profile.bought_last_us, strict=True)
    return Profile(
        n_orders=profile.n_orders,
        n_items=profile.n_items,
        spend=profile.spend,
        currency=profile.currency,
        first_order_at=_time(profile.first_order_us),
        last_order_at=_time(profile.last_order_us),
        mean_days_between_orders=profile.mean_days_between_orders,
        bought=[BoughtItem(item_id, orders, _time(last_us)) for item_id, orders, last_us in bought],
        top_categories=dict(zip(profile.top_categories, profile.top_category_shares, strict=True)),
        main_market=profile.main_market,
        price_level=profile.price_level,
    )


def _time(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)
