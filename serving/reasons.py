"""Why an item is in an answer, in words."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from feature_repo.activity import Kind
from serving.placements import Placement
from training.bundle import Bundle
from training.candidates.candidate import because_all
from training.interactions import History

BECAUSE: Final = {
    Kind.VIEW: "because you viewed {item}",
    Kind.WISH: "because {item} is on your wish list",
    Kind.CART: "because {item} is in your cart",
    Kind.BUY: "because you bought {item}",
}

ITSELF: Final = {
    Kind.VIEW: "you viewed it lately",
    Kind.WISH: "it is on your wish list",
    Kind.CART: "it is in your cart",
    Kind.BUY: "you bought it before",
}

POPULAR: Final = "popular"
BUY_AGAIN: Final = "buy_again"
HABITS: Final = (BUY_AGAIN, "buy_again_due")
NEWEST: Final = "newest"
PINNED: Final = "pinned"
TRENDING: Final = "trending"

OF_SOURCE: Final = {
    PINNED: "picked by the shop",
    NEWEST: "new in the shop",
    POPULAR: "popular in the shop",
    TRENDING: "wanted more than before",
}


class Cause(NamedTuple):
    """What speaks most for a recommended item: an item by name, and what the customer did with it."""

    item: str
    kind: Kind
    itself: bool
    """It is the recommended item itself."""


def reason(source: str, placement: Placement, cause: Cause | None, market: str | None) -> str:
    """Why an item is shown. What buy-again proposes without a purchase of its own is what everybody buys."""
    if source in OF_SOURCE or cause is None:
        popular = source in (POPULAR, *HABITS)
        if popular and market:
            return f"popular in {market}"
        return OF_SOURCE.get(POPULAR if popular else source, "because of what you looked at and bought")
    if cause.itself:
        return ITSELF[cause.kind]
    if placement.name == "bought-together":
        return f"often bought together with {cause.item}"
    if placement.about_items:
        return f"chosen by customers who also chose {cause.item}"
    return BECAUSE[cause.kind].format(item=cause.item)


def because_each(bundle: Bundle, history: History, chosen: Sequence[tuple[str, int]]) -> list[int | None]:
    """For each (source, item) the position in ``history`` that speaks most for it; None where no single one does.

    What the customer did with the item itself speaks most, and of that the strongest kind, the latest time.
    """
    # History goes from the oldest to the newest, and sorting by kind keeps that order: the strongest stands last.
    by_kind = np.argsort(history.kind, kind="stable")
    own = dict(zip(history.item[by_kind].tolist(), by_kind.tolist(), strict=True))
    causes: list[int | None] = [None] * len(chosen)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for place, (source, item) in enumerate(chosen):
        if item < 0 or source in OF_SOURCE:
            continue
        if item in own:
            causes[place] = own[item]
        elif source not in HABITS:
            places[source].append(place)
    for source, its_places in places.items():
        items = np.array([chosen[place][1] for place in its_places], dtype=np.int32)
        found = because_all(bundle.models[source], history, items)
        for place, position in zip(its_places, found, strict=True):
            causes[place] = position
    return causes
