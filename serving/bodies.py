"""Bodies of requests and answers beside the recommendation's, for parsing and for the OpenAPI document."""

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from feature_repo.activity import Interaction
from feature_repo.customer import UserProfile
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


class UserFeatures(msgspec.Struct, frozen=True):
    """What online features know of a customer now; interactions oldest first, times in microseconds since 1970."""

    user_id: str
    interactions: tuple[Interaction, ...]
    devices: list[str]
    profile: UserProfile | None


class Erased(msgspec.Struct, frozen=True):
    """The online features that are gone. Lake, dead letters, log and exposures follow with ``shopfloor erase``."""

    user_id: str
    erased_keys: list[str]


class Health(msgspec.Struct, frozen=True):
    status: str
