"""The log: a durable, partitioned, keyed sequence of records that several consumer groups read on their own.

Two things implement it, the embedded SQLite log and Kafka, and one suite of tests holds both to what stands here.

* ``append`` returns only when every message is durable; if it raises, the caller repeats and records may then stand
  twice. Consumers therefore drop repeats by the record's own id.
* Records of one key are in one partition, and a partition keeps its order.
* A consumer reads from the last committed offset; uncommitted records come again (at-least-once). Whoever commits
  only after its write stands has lost nothing when it is killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

EVENTS = "events"
PRODUCTS = "products"
TAXONOMY = "taxonomy"
EXPOSURES = "exposures"
DEAD_LETTERS = "dead-letters"
TOPICS = (EVENTS, PRODUCTS, TAXONOMY, EXPOSURES, DEAD_LETTERS)
KEPT_TOPICS = frozenset({PRODUCTS, TAXONOMY})
"""Never pruned: whoever builds its state from one of these may have to read it from the start."""

PARTITIONS = 4
"""Partitions of each topic in a new log; an existing one keeps its number."""
MAX_RECORD_BYTES = 1_000_000
"""Largest key and value together, what a Kafka broker takes with its default settings."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Message:
    """What a producer hands over. ``value`` is UTF-8 JSON; ``key`` chooses the partition."""

    key: bytes
    value: bytes


class Record(NamedTuple):
    """What a consumer gets. Offsets of a partition grow but may have gaps.

    A tuple, because a worker makes 50,000 of them a second and a frozen dataclass costs twice as much.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    """When the log took the record over, milliseconds since 1970 UTC."""
    key: bytes
    value: bytes


def appended_at(record: Record) -> datetime:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll brought: records in partition order, and the partitions that changed hands just before them.

    ``assigned`` and ``revoked`` are told before any record of a new partition is given out, so that a consumer can
    load or drop what it keeps for a partition. A poll that tells of a change brings no records: ``seek`` then decides
    where the first comes from. After a rebalance the same partition may be revoked and assigned.
    """

    records: Sequence[Record] = ()
    assigned: frozenset[TopicPartition] = field(default_factory=frozenset)
    revoked: frozenset[TopicPartition] = field(default_factory=frozenset)


class Consumer(Protocol):
    """One member of a consumer group. Not for use by two tasks at once."""

    async def poll(self, max_records: int, timeout: float) -> Poll:
        """Up to ``max_records`` records, waiting up to ``timeout`` seconds for the first.

        Raises TryLater when the log cannot be reached.
        """
        ...

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store, durably, the offset of the next record to read for each partition.

        A partition that is no longer this member's is skipped silently: its new owner reads those records again.
        """
        ...

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on from ``offset``, for partitions this member holds."""
        ...

    async def lag(self) -> dict[TopicPartition, int]:
        """Records not yet given out, for each partition this member holds."""
        ...

    async def close(self) -> None:
        """Leave the group, so that others take over at once."""
        ...


class Tail(Protocol):
    """Reads all partitions of one topic without a group, for state that every server process keeps in memory."""

    async def poll(self, max_records: int, timeout: float) -> Sequence[Record]: ...

    async def close(self) -> None: ...


class EventLog(Protocol):
    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Add the messages durably.

        Raises TryLater when the log cannot take them (disk full, broker away); some may stand all the same.
        Raises TooLarge, with nothing appended, when one of them is over MAX_RECORD_BYTES.
        """
        ...

    async def consumer(self, group: str, topics: Sequence[str]) -> Consumer:
        """Join ``group``. A group without a committed offset starts at the oldest record."""
        ...

    async def tail(self, topic: str, start: Mapping[int, int]) -> Tail:
        """Follow ``topic`` from the given offset of each partition, from the oldest record where none is given."""
        ...

    async def end_offsets(self, topic: str) -> dict[int, int]:
        """The offset that the next record of each partition will get."""
        ...

    async def identity(self) -> str:
        """A name that changes when offsets start anew: another broker, another folder, a log made afresh.

        The lake stores offsets under it, so that switching the log never makes new records look already read.
        """
        ...

    async def prune(self, keep_hours: float) -> Mapping[str, int]:
        """Remove records older than ``keep_hours`` that every group has committed; how many for each topic.

        A log that has retention rules of its own, as Kafka has, leaves it to them and removes nothing.
        """
        ...

    async def check(self) -> str:
        """One line about the log that answers; raises TryLater or Misconfigured with what to do otherwise."""
        ...

    async def close(self) -> None: ...
