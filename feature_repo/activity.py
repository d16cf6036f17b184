"""What a customer did lately, as a set that can be merged in any order.

An activity is a pure function of the *set* of a customer's interactions: the newest 50 by (time, event_id, position).
Folding an interaction twice, late or in another order gives the same activity (a state-based CRDT), which is why
at-least-once delivery is enough for the features group and why the lake can recompute every row exactly.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

MAX_INTERACTIONS: Final = 50
MAX_LINKS: Final = 5


class Kind(IntEnum):
    """What the customer did with an item, weakest first. The numbers are stored in features and bundles."""

    VIEW = 1
    WISH = 2
    CART = 3
    BUY = 4


KIND_OF_EVENT: Final[Mapping[str, Kind]] = {
    "view_item": Kind.VIEW,
    "select_item": Kind.VIEW,
    "add_to_wishlist": Kind.WISH,
    "add_to_cart": Kind.CART,
    "purchase": Kind.BUY,
}
"""Events that say a customer cares for an item. Impressions, searches, refunds and the like do not."""


class Interaction(NamedTuple):
    """One item in one event; the order of the fields is the order of interactions."""

    time_us: int
    """Event time, microseconds since 1970 UTC."""
    event_id: str
    position: int
    """Place of the item within the event, from 0."""
    item_id: str
    kind: int


@dataclass(frozen=True, slots=True)
class Activity:
    """The newest interactions, oldest first, and the devices that logged in to this account.

    ``links`` maps an anonymous_id to the time (microseconds) of the last event that named both it and the account;
    the device's interactions up to then belong to the account too.
    """

    interactions: tuple[Interaction, ...] = ()
    links: Mapping[str, int] = field(default_factory=dict)


EMPTY: Final = Activity()


def merged(activity: Activity, interactions: Iterable[Interaction], links: Mapping[str, int] | None = None) -> Activity:
    """The activity with more interactions and links in it; commutative, associative and idempotent."""
    union = {*activity.interactions, *interactions}
    newest = tuple(sorted(union)[-MAX_INTERACTIONS:])
    if not links:
        return Activity(newest, activity.links)
    latest = dict(activity.links)
    for device, time_us in links.items():
        latest[device] = max(time_us, latest.get(device, time_us))
    kept = sorted(latest.items(), key=lambda link: (link[1], link[0]))[-MAX_LINKS:]
    return Activity(newest, dict(kept))


def with_devices(activity: Activity, devices: Mapping[str, Activity]) -> Activity:
    """The account's activity with that of its linked devices, each up to its last login."""
    before_login = (
        interaction
        for device, time_us in activity.links.items()
        for interaction in devices.get(device, EMPTY).interactions
        if interaction.time_us <= time_us
    )
    return merged(activity, before_login)
