"""How events really arrive: mostly soon and whole, sometimes twice, late, from a wrong clock or broken."""

import heapq
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
import numpy as np

from ingestion.contracts.event import QualityFlag, customer_key
from shopfloor.demo.events import Draft

LATENCY_SECONDS: Final = 0.8
RETRIED: Final = 0.004
LATE: Final = 0.003
SKEWED: Final = 0.002
BROKEN: Final = 0.003


class Delivery(NamedTuple):
    """One event as a producer wrote it to the log; ordered by arrival."""

    received: float
    """Seconds since 1970 UTC; stands in the value too, as ``received_at``, unless it is broken."""
    number: int
    key: bytes
    value: bytes


def delivered(drafts: Iterable[Draft], rng: np.random.Generator, first: int = 0) -> Iterator[Delivery]:
    """Deliveries of the drafts, not yet in the order of arrival; ``first`` numbers them."""
    number = first
    for draft in drafts:
        chance = rng.random()
        received = draft["event_time"] + float(rng.exponential(LATENCY_SECONDS))
        if chance < BROKEN:
            value = FAULTS[rng.integers(len(FAULTS))](encoded(draft, received))
        else:
            if chance < BROKEN + LATE:
                received += float(rng.uniform(25, 40)) * 3600
                draft["quality_flags"] = [QualityFlag.LATE]
            elif chance < BROKEN + LATE + SKEWED:
                draft["event_time"] = received + float(rng.uniform(150, 2400))
                draft["quality_flags"] = [QualityFlag.CLOCK_SKEW]
            value = encoded(draft, received)
        key = customer_key(draft.get("user_id"), draft["anonymous_id"]).encode()
        yield Delivery(received, number, key, value)
        number += 1
        if rng.random() < RETRIED:
            again = received + float(rng.uniform(2, 900))
            yield Delivery(again, number, key, value if chance < BROKEN else encoded(draft, again))
            number += 1


def in_order(batches: Iterable[tuple[float, Iterable[Delivery]]], until: float) -> Iterator[Delivery]:
    """Deliveries by time of arrival up to ``until``; each batch comes with a time before which no later one arrives."""
    waiting: list[Delivery] = []
    for complete_before, batch in batches:
        while waiting and waiting[0].received < min(complete_before, until):
            yield heapq.heappop(waiting)
        for delivery in batch:
            heapq.heappush(waiting, delivery)
    while waiting and waiting[0].received <= until:
        yield heapq.heappop(waiting)


def encoded(draft: Draft, received: float) -> bytes:
    """The event as the log keeps it, with the server's fields."""
    return msgspec.json.encode(
        {**draft, "event_time": _rfc3339(draft["event_time"]), "received_at": _rfc3339(received)}
    )


def _changed(**changes: object) -> Callable[[bytes], bytes]:
    def change(value: bytes) -> bytes:
        return msgspec.json.encode(msgspec.json.decode(value) | changes)

    return change


FAULTS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda value: value[: len(value) // 2],
    _changed(event_name="pageview"),
    _changed(event_time="2026-02-30 12:00"),
    _changed(value=-1.0, currency="EUR"),
    _changed(value=10.0, currency="euro"),
    _changed(user_id=None, anonymous_id=None),
)
"""Mistakes that producers make; each ends as a dead letter."""


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
