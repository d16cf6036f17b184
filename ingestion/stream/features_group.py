"""The features consumer group: a customer's clicks become their online activity within a moment.

At-least-once, and that is enough: activity is a set that is merged, so a record folded twice changes nothing
(``feature_repo/activity.py``). Offsets are committed after the write they stand for.

Events that the contract refuses are passed over here; the lake group dead-letters them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from feature_repo.activity import EMPTY
from feature_repo.online import OnlineFeatures
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event
from ingestion.contracts.rejection import Rejection
from ingestion.sinks.online import folded
from ingestion.stream.counters import StreamCounters
from ingestion.stream.persistence import persistently
from ingestion.stream.settings import StreamSettings
from ingestion.transports.log import EVENTS, Consumer, EventLog, Record, TopicPartition, appended_at

GROUP: Final = "features"
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
        self._folded: dict[TopicPartition, int] = {}
        self._committed_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set; keeps trying while the log or the store cannot be reached."""
        await persistently(self._consume, stop, GROUP, self._counters)

    async def _consume(self, stop: asyncio.Event) -> None:
        self._folded.clear()
        consumer = await self._log.consumer(GROUP, [EVENTS])
        try:
            while not stop.is_set():
                poll = await consumer.poll(self._settings.features_batch_rows, timeout=0.25)
                if poll.records:
                    await asyncio.to_thread(self._fold, poll.records)
                    self._folded.update({TopicPartition(r.topic, r.partition): r.offset + 1 for r in poll.records})
                if self._clock() - self._committed_at >= COMMIT_EVERY_SECONDS:
                    await self._commit(consumer)
            await self._commit(consumer)
        finally:
            await consumer.close()

    async def _commit(self, consumer: Consumer) -> None:
        if self._folded:
            await consumer.commit(self._folded)
            self._folded.clear()
        self._committed_at = self._clock()

    def _fold(self, records: Sequence[Record]) -> None:
        by_customer: dict[str, list[ReceivedEvent]] = defaultdict(list)
        for record in records:
            event = read_event(record.value, appended_at(record))
            if isinstance(event, Rejection):
                self._counters.passed_over.inc()
            else:
                by_customer[event.customer_key].append(event)
        before = self._online.read_activity(list(by_customer))
        after = {key: folded(before.get(key, EMPTY), events) for key, events in by_customer.items()}
        self._online.write_activity({key: now for key, now in after.items() if now != before.get(key, EMPTY)})
        self._counters.folded.inc(sum(map(len, by_customer.values())))
        self._counters.freshness.set(self._clock() - records[-1].timestamp_ms / 1000)
