"""The lake consumer group: everything in the log becomes a row of the lake, exactly once.

The way of a batch: poll -> read by contract -> dead-letter what the contract refuses -> drop repeats -> one Delta
commit for each table, holding rows and offsets -> commit the offsets to the log. The lake's own offsets are the
truth: on assignment reading goes on from them, and the log's committed offsets are only for others to look at.

Killed at any point, the next owner reads again from the lake's offsets. A dead letter may then be sent twice; its
``letter_id`` is the refused record's place in the log, so the dead_letters table drops the second.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np
from pydantic import BaseModel

from ingestion.contracts.dead_letter import DeadLetter, dead_letter
from ingestion.contracts.exposure import Exposure
from ingestion.contracts.parse import read_event, read_record, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.rejection import Rejection
from ingestion.contracts.tables import TABLES
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.sinks.lake import Lake, Source
from ingestion.sinks.rows import table_of
from ingestion.stream.counters import StreamCounters
from ingestion.stream.persistence import persistently
from ingestion.stream.recent_ids import RecentIds
from ingestion.stream.settings import StreamSettings
from ingestion.transports.log import (
    DEAD_LETTERS,
    EVENTS,
    EXPOSURES,
    PRODUCTS,
    TAXONOMY,
    TOPICS,
    Consumer,
    EventLog,
    Message,
    Poll,
    Record,
    TopicPartition,
    appended_at,
)

GROUP: Final = "lake"
POLL_RECORDS: Final = 2_000
SPREAD_US: Final = 3_600_000_000
"""Ids are remembered for so much longer than the setting says: partitions are not read at one pace to the second, and
the log takes a record over a moment after it was received."""
COMPACT_EVERY: Final = 64
"""Commits between two looks at whether a table has too many small files."""
MAX_BATCH_BYTES: Final = 64 * 1024 * 1024

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Destination:
    """What becomes of a topic's records."""

    table: str
    read: Callable[[Record], BaseModel | Rejection]
    unique_by: str = ""
    """The field whose repeats are dropped; empty where none are."""
    arrived_at: str = ""
    """The field that says when the record came; how long its id is remembered counts from there."""


def _reader(model: type[BaseModel], id_field: str) -> Callable[[Record], BaseModel | Rejection]:
    return lambda record: read_record(model, record.value, id_field)


DESTINATIONS: Final = {
    EVENTS: _Destination(
        "events", lambda record: read_event(record.value, appended_at(record)), "event_id", "received_at"
    ),
    PRODUCTS: _Destination("products", _reader(StoredProduct, "item_id")),
    TAXONOMY: _Destination("taxonomy", _reader(StoredCategory, "category_id")),
    EXPOSURES: _Destination("exposures", _reader(Exposure, "recommendation_id"), "recommendation_id", "shown_at"),
    DEAD_LETTERS: _Destination("dead_letters", _reader(DeadLetter, "letter_id"), "letter_id", "refused_at"),
}


@dataclass(slots=True)
class _Batch:
    """Records of one topic that wait for their commit.

    They wait as the JSON that becomes their row. As objects a batch of them would not stay in the processor's cache,
    which makes reading each half as costly again.
    """

    lines: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """What makes each unique; empty where nothing does."""
    origins: list[Record] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    reached: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Waiting:
    """What was polled since the last commit."""

    batches: dict[str, _Batch] = field(default_factory=lambda: defaultdict(_Batch))
    since: float | None = None
    rows: int = 0
    bytes: int = 0


class LakeGroup:
    """One member of the lake group."""

    def __init__(
        self,
        event_log: EventLog,
        lake: Lake,
        settings: StreamSettings,
        counters: StreamCounters,
        clock: Callable[[], float],
    ) -> None:
        self._log = event_log
        self._lake = lake
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._commits = 0
        self._waiting = _Waiting()
        self._recent = {topic: RecentIds() for topic, place in DESTINATIONS.items() if place.unique_by}
        self._remembered_since: dict[str, int] = {}
        """Topic to the moment, microseconds since 1970 UTC, after which every id of the lake is in ``_recent``."""
        self._log_id = ""
        self._held: set[TopicPartition] = set()

    @property
    def waiting_records(self) -> int:
        """Records that were read and wait for the next commit."""
        return self._waiting.rows

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set, then write what waits and leave the group.

        When the log or the lake cannot be reached, what waits is dropped and read again once they answer.
        """
        await persistently(self._consume, stop, GROUP, self._counters)

    async def _consume(self, stop: asyncio.Event) -> None:
        self._waiting = _Waiting()
        self._held = set()
        self._log_id = await self._log.identity()
        consumer = await self._log.consumer(GROUP, TOPICS)
        try:
            while not stop.is_set():
                await self._step(consumer)
            await self._flush(consumer)
        finally:
            await consumer.close()

    async def _step(self, consumer: Consumer) -> None:
        poll = await consumer.poll(POLL_RECORDS, timeout=min(0.5, self._settings.lake_batch_seconds / 2))
        if poll.assigned or poll.revoked:
            await self._resume(consumer, poll)
            return  # whatever this poll brought is read again from where the lake stands
        if poll.records:
            self._take(poll.records)
        if self._is_due():
            await self._flush(consumer)

    async def _resume(self, consumer: Consumer, poll: Poll) -> None:
        """Drop what waits and go on, for every partition held now, from the offset that the lake has."""
        self._waiting = _Waiting()
        self._held = (self._held - poll.revoked) | poll.assigned
        by_topic: dict[str, list[int]] = defaultdict(list)
        for topic, partition in self._held:
            by_topic[topic].append(partition)
        for topic, partitions in by_topic.items():
            place = DESTINATIONS[topic]
            stored = await asyncio.to_thread(self._lake.offsets, place.table, self._source(topic), partitions)
            for partition in partitions:
                await consumer.seek(TopicPartition(topic, partition), stored.get(partition, 0))
            if any(assigned.topic == topic for assigned in poll.assigned):
                self._remembered_since.pop(topic, None)  # another member may have written since

    def _remember(self, topic: str, place: _Destination, oldest_us: int) -> RecentIds:
        """The ids that a record taken over by the log at ``oldest_us``, or later, may repeat.

        They count back from the record and not from now, for a worker may be days behind. What is not in memory is
        learnt again from the lake.
        """
        recent = self._recent[topic]
        needed = oldest_us - int(self._settings.dedupe_hours * 3600e6)
        kept = needed - SPREAD_US
        since = self._remembered_since.get(topic)
        if since is None or needed < since:
            recent.clear()
            start = datetime.fromtimestamp(kept / 1e6, UTC)
            for ids, newest_us in self._lake.recent_ids(place.table, place.unique_by, place.arrived_at, start):
                recent.add(ids, newest_us)
            self._remembered_since[topic] = kept
        elif kept > since:
            recent.forget(kept)
            self._remembered_since[topic] = kept
        return recent

    def _take(self, records: Sequence[Record]) -> None:
        waiting, now = self._waiting, self._clock()
        waiting.since = now if waiting.since is None else waiting.since
        waiting.rows += len(records)
        for record in records:
            batch, place = waiting.batches[record.topic], DESTINATIONS[record.topic]
            model = place.read(record)
            if isinstance(model, Rejection):
                self._refuse(batch, record, model, datetime.fromtimestamp(now, UTC))
            else:
                if place.unique_by:
                    batch.ids.append(model.__dict__[place.unique_by])
                batch.lines.append(to_log(model))
                batch.origins.append(record)
            batch.reached[record.partition] = record.offset + 1
            waiting.bytes += len(record.value)

    def _refuse(self, batch: _Batch, record: Record, rejection: Rejection, now: datetime) -> None:
        self._counters.dead_lettered.labels(record.topic).inc()
        if record.topic == DEAD_LETTERS:
            log.error("unreadable dead letter at %s/%s: %s", record.partition, record.offset, rejection)
        else:
            batch.letters.append(dead_letter(record, rejection, now))

    def _is_due(self) -> bool:
        waiting = self._waiting
        if waiting.since is None:
            return False
        full = waiting.rows >= self._settings.lake_batch_rows or waiting.bytes >= MAX_BATCH_BYTES
        return full or self._clock() - waiting.since >= self._settings.lake_batch_seconds

    async def _flush(self, consumer: Consumer) -> None:
        offsets: dict[TopicPartition, int] = {}
        for topic, batch in self._waiting.batches.items():
            if batch.letters:
                await self._log.append(
                    DEAD_LETTERS, [Message(letter.customer_key.encode(), to_log(letter)) for letter in batch.letters]
                )
            await asyncio.to_thread(self._write, topic, batch)
            offsets.update({TopicPartition(topic, p): offset for p, offset in batch.reached.items()})
        self._waiting = _Waiting()
        if offsets:
            await consumer.commit(offsets)

    def _write(self, topic: str, batch: _Batch) -> None:
        place = DESTINATIONS[topic]
        lines, origins, ids = batch.lines, batch.origins, batch.ids
        newest_us, recent = 0, None
        if ids:
            taken_over = [1000 * record.timestamp_ms for record in origins]
            newest_us, recent = max(taken_over), self._remember(topic, place, min(taken_over))
            fresh = np.flatnonzero(~recent.repeats(ids))
            self._counters.duplicates.labels(topic).inc(len(ids) - len(fresh))
            if len(fresh) < len(ids):
                lines, origins = [lines[i] for i in fresh], [origins[i] for i in fresh]
                ids = [ids[i] for i in fresh]
        rows = table_of(lines, origins, TABLES[place.table])
        written = self._lake.append(place.table, rows, self._source(topic), batch.reached)
        self._counters.written.labels(place.table).inc(written)
        if recent is not None:
            recent.add(ids, newest_us)
        self._commits += 1
        if self._commits % COMPACT_EVERY == 0:
            self._lake.compact(place.table)

    def _source(self, topic: str) -> Source:
        return Source(self._log_id, topic)
