"""Readers of the log on Kafka.

At-least-once: nothing is committed but by ``commit``. Only committed transactions are read, from the oldest record
where a group or tail has no position.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import aiokafka
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError

from ingestion.transports.kafka.address import KafkaAddress, kafka_errors
from ingestion.transports.log import Poll, Record, TopicPartition

SESSION_SECONDS: Final = 10.0
_ANSWER_SECONDS: Final = 10.0
_JOIN_SECONDS: Final = 60.0
"""Joining waits for the other members, a dead one's session included."""
_PROBE_EVERY_SECONDS: Final = 5.0
"""A client that gets nothing cannot tell a quiet topic from a dead broker; so often we ask."""


class Reader:
    """One aiokafka consumer, with topic names as the rest of Shopfloor knows them."""

    def __init__(self, address: KafkaAddress, client_id: str, **options: Any) -> None:
        self._address = address
        self._consumer = AIOKafkaConsumer(
            client_id=client_id, auto_offset_reset="earliest", enable_auto_commit=False,
            isolation_level="read_committed", **options, **address.client_options(),
        )  # fmt: skip
        self._next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
        self._closed = False

    async def start(self) -> Self:
        try:
            with kafka_errors(self._address):
                async with asyncio.timeout(_JOIN_SECONDS):
                    await self._consumer.start()
        except BaseException as error:
            await self._consumer.stop()
            if isinstance(error.__cause__, KafkaConnectionError):
                raise (await self._address.unreachable()) from error
            raise
        return self

    async def ends(self, lanes: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The next offset of each partition."""
        with kafka_errors(self._address):
            async with asyncio.timeout(_ANSWER_SECONDS):
                ends = await self._consumer.end_offsets([self._theirs(lane) for lane in lanes])
                return {self._ours(lane): end for lane, end in ends.items()}

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await asyncio.sleep(0)  # aiokafka cannot stop what was started in this very turn of the event loop
            await self._consumer.stop()

    async def _fetch(self, max_records: int, timeout: float) -> Mapping[aiokafka.TopicPartition, Sequence[Any]]:
        """What came, by partition; nothing once ``timeout`` seconds are over. Safe to cancel."""
        with kafka_errors(self._address):
            try:
                async with asyncio.timeout(timeout + 0.05):  # getmany itself waits without end during a rebalance
                    fetched: Mapping[aiokafka.TopicPartition, Sequence[Any]] = await self._consumer.getmany(
                        timeout_ms=int(timeout * 1000), max_records=max_records
                    )
            except TimeoutError:
                fetched = {}
        if fetched:
            self._next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
        elif time.monotonic() > self._next_probe:
            await self._probe()
        return fetched

    async def _probe(self) -> None:
        self._next_probe = time.monotonic() + _PROBE_EVERY_SECONDS
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if lanes := self._consumer.assignment():
                    await self._consumer.end_offsets(lanes)
                else:
                    await self._consumer.topics()
        except (aiokafka.errors.KafkaError, TimeoutError) as error:
            raise (await self._address.unreachable()) from error

    def _records(self, fetched: Mapping[aiokafka.TopicPartition, Sequence[Any]]) -> list[Record]:
        records: list[Record] = []
        for lane, found in fetched.items():
            topic, partition = self._ours(lane)
            records += [Record(topic, partition, r.offset, r.timestamp, r.key or b"", r.value or b"") for r in found]
        return records

    def _ours(self, lane: aiokafka.TopicPartition) -> TopicPartition:
        return TopicPartition(lane.topic.removeprefix(self._address.prefix), lane.partition)

    def _theirs(self, lane: TopicPartition) -> aiokafka.TopicPartition:
        return aiokafka.TopicPartition(self._address.prefix + lane.topic, lane.partition)


class KafkaConsumer(Reader, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka ships no types
    """One member of a group; see ``ingestion.transports.log.Consumer``."""

    def __init__(
        self, address: KafkaAddress, client_id: str, group: str, topics: Sequence[str], session_seconds: float
    ) -> None:
        super().__init__(
            address, client_id, group_id=address.prefix + group,
            group_instance_id=f"{client_id}.{group}" if address.static else None,
            session_timeout_ms=int(session_seconds * 1000), heartbeat_interval_ms=int(session_seconds * 1000 / 4),
        )  # fmt: skip
        self._told: frozenset[TopicPartition] = frozenset()
        """What the caller knows to hold."""
        self._holds: frozenset[TopicPartition] = frozenset()
        self._lost: frozenset[TopicPartition] = frozenset()
        """Revoked since the caller was last told."""
        self._consumer.subscribe([address.prefix + topic for topic in topics], listener=self)

    async def poll(self, max_records: int, timeout: float) -> Poll:
        if change := self._change():
            return change
        fetched = await self._fetch(max_records, timeout)
        if change := self._change():
            # These belong to the new assignment, which the caller does not know yet: they come again.
            for lane, records in fetched.items():
                if self._ours(lane) in self._holds:
                    self._consumer.seek(lane, records[0].offset)
            return change
        return Poll(self._records(fetched))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        ours = {self._theirs(lane): offset for lane, offset in offsets.items() if lane in self._told - self._lost}
        if not ours:
            return
        with kafka_errors(self._address):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await self._consumer.commit(ours)
            except (CommitFailedError, IllegalStateError):
                return  # the group has moved on; the next poll tells which partitions are left

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._holds:
            self._consumer.seek(self._theirs(partition), offset)

    async def lag(self) -> dict[TopicPartition, int]:
        ends = await self.ends(self._holds)
        with kafka_errors(self._address):
            async with asyncio.timeout(_ANSWER_SECONDS):
                return {
                    lane: max(0, end - await self._consumer.position(self._theirs(lane))) for lane, end in ends.items()
                }

    def on_partitions_revoked(self, revoked: Iterable[aiokafka.TopicPartition]) -> None:
        self._lost |= {self._ours(lane) for lane in revoked} & self._told
        self._holds = frozenset()

    def on_partitions_assigned(self, assigned: Iterable[aiokafka.TopicPartition]) -> None:
        self._holds = frozenset(self._ours(lane) for lane in assigned)

    def _change(self) -> Poll | None:
        revoked, assigned = self._lost, self._holds - (self._told - self._lost)
        if not revoked and not assigned:
            return None
        self._told, self._lost = self._holds, frozenset()
        return Poll(assigned=assigned, revoked=revoked)


class KafkaTail(Reader):
    """See ``ingestion.transports.log.Tail``."""

    def follow(self, lanes: Sequence[TopicPartition], start: Mapping[int, int]) -> None:
        self._consumer.assign([self._theirs(lane) for lane in lanes])
        for lane in lanes:
            if lane.partition in start:
                self._consumer.seek(self._theirs(lane), start[lane.partition])

    async def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        return self._records(await self._fetch(max_records, timeout))
