"""What is known of one customer when an answer is made, as the online views hold it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from feature_repo.activity import EMPTY, Activity, Interaction, Kind

US_PER_DAY: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class UserProfile:
    """What a customer bought so far, net of refunds, as the last materialisation saw it.

    The three ``bought_…`` tuples are parallel, at most 100 items, the latest bought first; so are the two
    ``top_categor…`` ones, the largest share first. Times are microseconds since 1970 UTC, money is in ``currency``.
    """

    n_orders: int = 0
    n_items: int = 0
    spend: float = 0.0
    currency: str = ""
    first_order_us: int = 0
    last_order_us: int = 0
    mean_days_between_orders: float = 0.0
    """0 until there are two orders."""
    bought_items: tuple[str, ...] = ()
    bought_counts: tuple[int, ...] = ()
    """In how many orders each item stood."""
    bought_last_us: tuple[int, ...] = ()
    top_categories: tuple[str, ...] = ()
    top_category_shares: tuple[float, ...] = ()
    main_market: str = ""
    price_level: float = 0.0
    """Mean price of a unit bought."""

    def days_since_last_order(self, now_us: int) -> float:
        return (now_us - self.last_order_us) / US_PER_DAY


@dataclass(frozen=True, slots=True)
class CustomerFeatures:
    """An account with its devices, or a device alone; empty and None for a customer we never saw."""

    activity: Activity = EMPTY
    profile: UserProfile | None = None


ACTIVITY_FEATURES: Final = ("item_ids", "kinds", "times", "event_ids", "positions", "link_devices", "link_times")
"""The features from which an activity is read; the others are counters over them."""

PROFILE_FEATURES: Final[Mapping[str, str]] = {
    "first_order_time": "first_order_us",
    "last_order_time": "last_order_us",
    "bought_last_times": "bought_last_us",
    **{
        name: name
        for name in (
            "n_orders",
            "n_items",
            "spend",
            "currency",
            "mean_days_between_orders",
            "bought_items",
            "bought_counts",
            "top_categories",
            "top_category_shares",
            "main_market",
            "price_level",
        )
    },
}
"""Feature of the view ``user_profile`` to field of UserProfile."""


def activity_row(activity: Activity) -> dict[str, Any]:
    """The activity as the features of ``user_activity``; the inverse of ``activity_of``."""
    kinds = Counter(interaction.kind for interaction in activity.interactions)
    return {
        "item_ids": [i.item_id for i in activity.interactions],
        "kinds": [int(i.kind) for i in activity.interactions],
        "times": [i.time_us for i in activity.interactions],
        "event_ids": [i.event_id for i in activity.interactions],
        "positions": [i.position for i in activity.interactions],
        "link_devices": list(activity.links),
        "link_times": list(activity.links.values()),
        "n_views": kinds[Kind.VIEW],
        "n_carts": kinds[Kind.CART],
        "n_buys": kinds[Kind.BUY],
        "last_time": last_time_us(activity),
    }


def activity_of(row: Mapping[str, Any]) -> Activity:
    """The activity in a row of ``user_activity``."""
    columns = (row["times"], row["event_ids"], row["positions"], row["item_ids"], row["kinds"])
    interactions = tuple(map(Interaction._make, zip(*columns, strict=True)))
    return Activity(interactions, dict(zip(row["link_devices"], row["link_times"], strict=True)))


def profile_of(row: Mapping[str, Any]) -> UserProfile:
    """The profile in a row of ``user_profile``."""
    return UserProfile(**{field: row[feature] for feature, field in PROFILE_FEATURES.items()})


def last_time_us(activity: Activity) -> int:
    """When the customer was last heard of, microseconds since 1970 UTC; 0 for an empty activity."""
    newest = activity.interactions[-1].time_us if activity.interactions else 0
    return max(newest, *activity.links.values(), 0) if activity.links else newest
