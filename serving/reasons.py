"""Why an item is in an answer, in words."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np

from feature_repo.activity import Kind
from serving.placements import Placement
from training.bundle import Bundle
from training.candidates.candidate import ExplainsTogether
from training.interactions import History

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


def because_each(bundle: Bundle, history: History, chosen: Sequence[tuple[str, int]]) -> list[int | None]:
    """For each (source, item) the position in ``history`` that speaks most for it; None where no single one does."""
    causes: list[int | None] = [None] * len(chosen)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, (source, item) in enumerate(chosen):
        if item >= 0 and source not in OF_SOURCE:
            places[source].append(place)
    for source, its_places in places.items():
        model = bundle.models[source]
        items = np.array([chosen[place][1] for place in its_places], dtype=np.int32)
        if isinstance(model, ExplainsTogether):
            found: Sequence[int | None] = model.because_each(history, items)
        else:
            found = [model.because(history, item) for item in items.tolist()]
        for place, position in zip(its_places, found, strict=True):
            causes[place] = position
    return causes
