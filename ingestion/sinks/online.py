"""Folds received events into a customer's online activity: what the features consumer group writes.

Events whose customer does not consent to personalisation fold into nothing.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from feature_repo.activity import KIND_OF_EVENT, Activity, Interaction, merged
from ingestion.contracts.event import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def folded(activity: Activity, events: Iterable[Event]) -> Activity:
    """The activity with one customer's events in it, in any order and any number of times."""
    interactions: list[Interaction] = []
    links: dict[str, int] = {}
    for event in events:
        interactions += interactions_of(event)
        for device, time_us in links_of(event).items():
            links[device] = max(time_us, links.get(device, time_us))
    return merged(activity, interactions, links)


def interactions_of(event: Event) -> tuple[Interaction, ...]:
    """One interaction for each item of an event that says the customer cares; none for the other events."""
    kind = KIND_OF_EVENT.get(event.event_name)
    if kind is None or not _may_personalise(event):
        return ()
    time_us = _microseconds(event.event_time)
    return tuple(
        Interaction(time_us, event.event_id, position, item.item_id, int(kind))
        for position, item in enumerate(event.items)
    )


def links_of(event: Event) -> dict[str, int]:
    """The device that an event, whatever its name, ties to its account, and when; empty unless it names both."""
    if event.user_id is None or event.anonymous_id is None or not _may_personalise(event):
        return {}
    return {event.anonymous_id: _microseconds(event.event_time)}


def _may_personalise(event: Event) -> bool:
    return event.consent is None or event.consent.personalisation


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND
