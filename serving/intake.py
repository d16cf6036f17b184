"""What comes in over HTTP: each record parsed on its own, the good ones durable before anything is acknowledged.

At-least-once: when the log fails nothing is acknowledged, though some records may stand in it; the client repeats
and the stream drops what came twice by its ``event_id``.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Final

import msgspec
from pydantic import BaseModel

from feature_repo.errors import BadInput
from ingestion.contracts.event import QualityFlag, ReceivedEvent
from ingestion.contracts.parse import parse_event, parse_product, to_log
from ingestion.contracts.rejection import FieldError, Rejection
from ingestion.contracts.taxonomy import LOG_KEY, Category, stored_tree, tree_problems
from ingestion.transports.log import EVENTS, MAX_RECORD_BYTES, PRODUCTS, TAXONOMY, EventLog, Message
from serving.catalogue import Catalogue
from serving.metrics import Metrics
from serving.recent_ids import RecentIds
from serving.trending import Trending

BREATH: Final = 100
"""Records parsed before other requests get their turn."""

logger = logging.getLogger(__name__)


class RejectedEvent(msgspec.Struct, frozen=True):
    """``index`` is the event's place in the request, from 0; ``event_id`` is its own, where it could be read."""

    index: int
    event_id: str | None
    errors: tuple[FieldError, ...]


class EventReceipt(msgspec.Struct, frozen=True):
    """What became of the events of one request."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


class RejectedProduct(msgspec.Struct, frozen=True):
    """``index`` is the product's place in the request, from 0."""

    index: int
    item_id: str | None
    errors: tuple[FieldError, ...]


class ProductReceipt(msgspec.Struct, frozen=True):
    """What became of the products of one request."""

    accepted: int
    rejected: list[RejectedProduct]


class TaxonomyReceipt(msgspec.Struct, frozen=True):
    """The version under which the whole tree was taken over."""

    accepted: int
    taxonomy_version: str


class EventIntake:
    def __init__(
        self,
        log: EventLog,
        catalogue: Catalogue,
        trending: Trending,
        recent: RecentIds,
        markets: Collection[str],
        clock: Callable[[], datetime],
        metrics: Metrics,
    ) -> None:
        self._log = log
        self._catalogue = catalogue
        self._trending = trending
        self._recent = recent
        self._markets = frozenset(markets)
        self._clock = clock
        self._accepted = metrics.events.labels("accepted")
        self._duplicates = metrics.events.labels("duplicate")
        self._rejected = metrics.events.labels("rejected")

    async def take(self, records: Sequence[msgspec.Raw]) -> EventReceipt:
        """Append the good events, durably. Raises TryLater when the log does not take them; nothing counts then."""
        received_at = self._clock()
        events: dict[str, ReceivedEvent] = {}
        messages: list[Message] = []
        rejected: list[RejectedEvent] = []
        duplicates = 0
        for index, raw in enumerate(records):
            if index % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            read = self._read(raw, received_at)
            if isinstance(read, Rejection):
                rejected.append(RejectedEvent(index, read.record_id, read.errors))
                continue
            event, message = read
            if event.event_id in events or event.event_id in self._recent:
                duplicates += 1
                continue
            events[event.event_id] = event
            messages.append(message)
        if messages:
            await self._log.append(EVENTS, messages)
        for event in events.values():
            self._recent.add(event.event_id)
            self._trending.add(event)
        self._accepted.inc(len(events))
        self._duplicates.inc(duplicates)
        self._rejected.inc(len(rejected))
        return EventReceipt(len(events), duplicates, rejected)

    def _read(self, raw: msgspec.Raw, received_at: datetime) -> tuple[ReceivedEvent, Message] | Rejection:
        event = self._checked(parse_event(bytes(raw), received_at))
        if isinstance(event, Rejection):
            return event
        message = _message(event, event.customer_key, event.event_id)
        return message if isinstance(message, Rejection) else (event, message)

    def _checked(self, event: ReceivedEvent | Rejection) -> ReceivedEvent | Rejection:
        """The event against what only this shop knows: its markets refuse, its catalogue flags."""
        if isinstance(event, Rejection):
            return event
        if self._markets and event.market is not None and event.market not in self._markets:
            reason = f"is no market of this shop; its markets are {', '.join(sorted(self._markets))}"
            return Rejection((FieldError("market", event.market, reason),), event.event_id)
        if len(self._catalogue) and any(item.item_id not in self._catalogue for item in event.items):
            flags = (*event.quality_flags, QualityFlag.UNKNOWN_ITEM)
            return event.model_copy(update={"quality_flags": flags})
        return event


class CatalogueIntake:
    def __init__(self, log: EventLog, clock: Callable[[], datetime]) -> None:
        self._log = log
        self._clock = clock

    async def take_products(self, records: Sequence[msgspec.Raw]) -> ProductReceipt:
        """Append the good products, durably. Raises TryLater when the log does not take them."""
        updated_at = self._clock()
        messages: list[Message] = []
        rejected: list[RejectedProduct] = []
        for index, raw in enumerate(records):
            if index % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            product = parse_product(bytes(raw), updated_at)
            message = product if isinstance(product, Rejection) else _message(product, product.key, product.item_id)
            if isinstance(message, Rejection):
                rejected.append(RejectedProduct(index, message.record_id, message.errors))
            else:
                messages.append(message)
        if messages:
            await self._log.append(PRODUCTS, messages)
        return ProductReceipt(len(messages), rejected)

    async def take_taxonomy(self, categories: Sequence[Category]) -> TaxonomyReceipt:
        """Append the whole tree, durably. Raises BadInput when it is no tree, TryLater when the log is away."""
        problems = [
            {"field": f"categories.{index}.{field}", "value": value, "reason": reason}
            for index, field, value, reason in tree_problems(categories)
        ]
        if problems:
            first = problems[0]
            detail = f"{first['field']}: {first['value']!r} {first['reason']}"
            raise BadInput(f"the categories are no tree, none was taken over: {detail}", errors=problems[:100])
        nodes = stored_tree(categories, self._clock(), uuid.uuid4().hex[:8])
        await self._log.append(TAXONOMY, [Message(LOG_KEY, to_log(node)) for node in nodes])
        return TaxonomyReceipt(len(nodes), nodes[0].taxonomy_version)


def _message(record: BaseModel, key: str, record_id: str) -> Message | Rejection:
    """The record as the log takes it; one that is too large is refused here, so that its neighbours still get in."""
    message = Message(key.encode(), to_log(record))
    size = len(message.key) + len(message.value)
    if size <= MAX_RECORD_BYTES:
        return message
    reason = f"takes {size:,} bytes, more than the {MAX_RECORD_BYTES:,} of one record; shorten texts or split it"
    return Rejection((FieldError("(record)", None, reason),), record_id)
