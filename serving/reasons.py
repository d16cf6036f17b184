"""Why an item is in an answer, in words."""

from typing import Final

from feature_repo.activity import Kind
from serving.placements import Placement

BECAUSE: Final = {
    Kind.VIEW: "because you viewed {item}",
    Kind.WISH: "because {item} is on your wish list",
    Kind.CART: "because {item} is in your cart",
    Kind.BUY: "because you bought {item}",
}

POPULAR: Final = "popular"
BUY_AGAIN: Final = "buy_again"
NEWEST: Final = "newest"
PINNED: Final = "pinned"

OF_SOURCE: Final = {
    PINNED: "picked by the shop",
    NEWEST: "new in the shop",
    POPULAR: "popular in the shop",
    BUY_AGAIN: "because you bought it before",
}


def reason(source: str, placement: Placement, cause: tuple[str, Kind] | None, market: str | None) -> str:
    """``cause`` is the item, by name, that speaks most for the recommended one, and what the customer did with it."""
    if source == POPULAR and market:
        return f"popular in {market}"
    if source in OF_SOURCE:
        return OF_SOURCE[source]
    if cause is None:
        return "because of what you looked at and bought"
    item, kind = cause
    if placement.name == "bought-together":
        return f"often bought together with {item}"
    if placement.about_items:
        return f"customers who viewed {item} also viewed it"
    return BECAUSE[kind].format(item=item)
