"""The product contract, version 1: one product as one market sells it.

A record replaces the earlier one of the same ``item_id`` and ``market``. A product without a market is sold in
every market; a record for a market overrides it there.
"""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ingestion.contracts.event import Currency, Id, Market, Money, Text, Time

CONTRACT_VERSION: Final = 1


class Product(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True, use_attribute_docstrings=True)

    item_id: Id
    market: Market | None = None
    """Absent: the record holds for every market that has none of its own."""
    name: Text | None = None
    description: Annotated[str, Field(max_length=10_000)] | None = None
    brand: Text | None = None
    category_id: Id | None = None
    """The most special category of the product, a node of the taxonomy."""
    price: Money | None = None
    """Price of one unit in ``currency``."""
    currency: Currency | None = None
    in_stock: bool = True
    hidden: bool = False
    """Withdrawn by the shop: never shown, whatever the stock."""
    rebuyable: bool = True
    """False: a customer who bought it does not need it again, so it is not recommended to them."""
    published_at: Time | None = None
    """First day in the assortment."""
    url: Text | None = None
    image_url: Text | None = None
    attributes: dict[Id, Text] = {}

    @model_validator(mode="after")
    def _money_has_currency(self) -> Self:
        if self.price is not None and self.currency is None:
            reason = "a price needs its currency (ISO 4217, for example EUR)"
            raise PydanticCustomError("missing_for_product", "{reason}", {"field": "currency", "reason": reason})
        return self

    @property
    def key(self) -> str:
        """The log's key: all records of a product, whatever the market, stay in order."""
        return self.item_id


class StoredProduct(Product):
    """A product record as the log and the lake keep it."""

    updated_at: Time
    """When the server took the record over."""


def catalogue_key(record: Product) -> tuple[str, str | None]:
    """What a newer record replaces."""
    return record.item_id, record.market
