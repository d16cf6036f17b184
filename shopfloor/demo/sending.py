"""Sends the demo shop's catalogue and history through the log, as a shop's own systems would."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TypeVar
from zlib import crc32

from feature_repo.activity import KIND_OF_EVENT
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import LOG_KEY, stored_tree
from ingestion.transports.log import EVENTS, PRODUCTS, TAXONOMY, EventLog, Message
from shopfloor.demo.mishaps import Delivery
from shopfloor.demo.shop import DemoShop

BATCH: Final = 2_000
SAMPLE: Final = 10

T = TypeVar("T")


@dataclass(slots=True)
class Sent:
    """What went into the log, so that one can tell when it has come out on the other side."""

    events: int = 0
    sampled: dict[str, list[ReceivedEvent]] = field(default_factory=dict)
    """One customer key in SAMPLE to the valid interactions that went in under it, in the order of arrival."""


async def send_catalogue(shop: DemoShop, log: EventLog, now: datetime) -> int:
    """The taxonomy and every product; gives the number of products."""
    nodes = stored_tree(shop.categories(), now, "demo")
    await log.append(TAXONOMY, [Message(LOG_KEY, to_log(node)) for node in nodes])
    count = 0
    for batch in _batches(shop.products(now)):
        stored = (StoredProduct(**product.model_dump(), updated_at=now) for product in batch)
        await log.append(PRODUCTS, [Message(product.key.encode(), to_log(product)) for product in stored])
        count += len(batch)
    return count


async def send_history(deliveries: Iterable[Delivery], log: EventLog, show: Callable[[int], None]) -> Sent:
    """Every event in the order of arrival; ``show`` is told how many went in so far."""
    sent = Sent()
    batches = _batches(deliveries)
    while batch := await asyncio.to_thread(next, batches, None):
        await log.append(EVENTS, [Message(delivery.key, delivery.value) for delivery in batch])
        for delivery in batch:
            _sample(sent, delivery)
        sent.events += len(batch)
        show(sent.events)
    return sent


def _sample(sent: Sent, delivery: Delivery) -> None:
    if crc32(delivery.key) % SAMPLE:
        return
    event = read_event(delivery.value, datetime.fromtimestamp(delivery.received, UTC))
    if isinstance(event, ReceivedEvent) and event.event_name in KIND_OF_EVENT:
        sent.sampled.setdefault(delivery.key.decode(), []).append(event)


def _batches(things: Iterable[T]) -> Iterator[list[T]]:
    iterator = iter(things)
    while batch := list(islice(iterator, BATCH)):
        yield batch
