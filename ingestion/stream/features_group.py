"""The features consumer group: a customer's clicks become their online activity within a moment.

At-least-once, and that is enough: activity is a set that is merged, so a record folded twice changes nothing
(``feature_repo/activity.py``). Offsets are committed after the write they stand for.

Events that the contract refuses are passed over here; the lake group dead-letters them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from feature_repo.online import OnlineFeatures

from feature_repo.activity import EMPTY, Activity
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event
from ingestion.contracts.rejection import Rejection
from ingestion.sinks.online import folded
from ingestion.stream.counters import StreamCounters
from ingestion.stream.persistence import persistently
from ingestion.stream.settings import StreamSettings
from ingestion.transports.log import EVENTS, Consumer, EventLog, Record, TopicPartition, appended_at

GROUP: Final = "features"
CACHED_CUSTOMERS: Final = 5_000
"""Activities kept in memory, about 10 kB each, so that an active customer is not read back for each click."""
COMMIT_EVERY_SECONDS: Final = 1.0


class FeaturesGroup:
    """One member of the features group."""

    def __init__(
        self,
        event_log: EventLog,
        online: OnlineFeatures,
        settings: StreamSettings,
        counters: StreamCounters,
        clock: Callable[[], float],
    ) -> None:
        self._log = event_log
        self._online = online
        self._settings = settings
        self._counters = counters
        self._clock = clock
        self._cache: OrderedDict[str, Activity] = OrderedDict()
        self._written: dict[TopicPartition, int] = {}
        self._committed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set; keeps trying while the log or the store cannot be reached."""
        await persistently(self._consume, stop, GROUP, self._counters)

    async def _consume(self, stop: asyncio.Event) -> None:
        self._cache.clear()
        self._written.clear()
        consumer = await self._log.consumer(GROUP, [EVENTS])
        try:
            while not stop.is_set():
                poll = await consumer.poll(self._settings.features_batch_rows, timeout=0.25)
                if poll.assigned or poll.revoked:
                    self._cache.clear()  # another member may have written these customers meanwhile
                if poll.records:
                    await asyncio.to_thread(self._fold, poll.records)
                    self._written.update({TopicPartition(r.topic, r.partition): r.offset + 1 for r in poll.records})
                if self._clock() - self._committed_at >= COMMIT_EVERY_SECONDS:
                    await self._commit(consumer)
            await self._commit(consumer)
        finally:
            await consumer.close()

    async def _commit(self, consumer: Consumer) -> None:
        if self._written:
            await consumer.commit(self._written)
            self._written.clear()
        self._committed_at = self._clock()

    def _fold(self, records: Sequence[Record]) -> None:
        by_customer: dict[str, list[ReceivedEvent]] = {}
        for record in records:
            event = read_event(record.value, appended_at(record))
            if not isinstance(event, Rejection):
                by_customer.setdefault(event.customer_key, []).append(event)
        before = self._known(list(by_customer))
        changed: dict[str, Activity] = {}
        for customer, events in by_customer.items():
            after = folded(before[customer], events)
            if after != before[customer]:
                changed[customer] = after
        self._online.write_activity(changed)
        self._remember(changed)
        self._counters.folded.inc(sum(map(len, by_customer.values())))
        self._counters.freshness.set(self._clock() - records[-1].timestamp_ms / 1000)

    def _known(self, customers: Sequence[str]) -> Mapping[str, Activity]:
        missing = [customer for customer in customers if customer not in self._cache]
        stored = self._online.read_activity(missing) if missing else {}
        return {c: self._cache[c] if c in self._cache else stored.get(c, EMPTY) for c in customers}

    def _remember(self, activities: Mapping[str, Activity]) -> None:
        for customer, activity in activities.items():
            self._cache[customer] = activity
            self._cache.move_to_end(customer)
        while len(self._cache) > CACHED_CUSTOMERS:
            self._cache.popitem(last=False)
