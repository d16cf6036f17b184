"""Placements: the places on the shop's pages that ask for recommendations, and what each one wants."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from feature_repo.activity import Kind
from feature_repo.errors import BadInput


@dataclass(frozen=True, slots=True)
class Placement:
    """What a place on the page wants.

    ``about_items``: proposals follow from the items in view alone, not from the customer's history.
    ``fills``: an answer that came out short is filled with what is popular; where it is False a short list is the
    honest answer.
    ``again``: what the customer bought may be proposed, even if the product is not marked as rebuyable.
    ``mixes``: no category may take more than its share.
    ``context_kind``: what the items of the question mean, a view or a cart.
    ``on_page``: asked for a customer who is there; False where the shop asks about customers who are not.
    """

    name: str
    about_items: bool = False
    fills: bool = True
    again: bool = False
    mixes: bool = False
    context_kind: Kind = Kind.VIEW
    on_page: bool = True


PLACEMENTS: Final[Mapping[str, Placement]] = MappingProxyType(
    {
        placement.name: placement
        for placement in (
            Placement("home", mixes=True),
            Placement("product", about_items=True),
            Placement("bought-together", about_items=True, fills=False, context_kind=Kind.CART),
            Placement("cart", context_kind=Kind.CART),
            Placement("category"),
            Placement("search-empty", mixes=True),
            Placement("buy-again", fills=False, again=True),
            Placement("email", mixes=True, on_page=False),
            Placement("new", fills=False),
            Placement("trending"),
        )
    }
)


def placement_named(name: str) -> Placement:
    """BadInput, naming the known ones, when there is no such placement."""
    placement = PLACEMENTS.get(name)
    if placement is None:
        reason = f"is no placement; known are {', '.join(PLACEMENTS)}"
        raise BadInput(f"placement {name!r} {reason}", errors=[{"field": "placement", "value": name, "reason": reason}])
    return placement
