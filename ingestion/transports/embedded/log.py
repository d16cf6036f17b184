"""The embedded log: a folder with ``records.db`` and ``groups.db``, for the processes of one machine.

The files must lie on a local disk: SQLite's write-ahead log does not work over network file systems.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from feature_repo.errors import BadInput, Misconfigured, TooLarge
from ingestion.transports.embedded.appender import Appender
from ingestion.transports.embedded.consumer import EmbeddedConsumer, EmbeddedTail
from ingestion.transports.embedded.groups import LEASE_SECONDS, GroupsFile
from ingestion.transports.embedded.keeper import Keeper
from ingestion.transports.embedded.records import RecordsFile
from ingestion.transports.embedded.watch import Watch
from ingestion.transports.log import (
    KEPT_TOPICS,
    MAX_RECORD_BYTES,
    PARTITIONS,
    TOPICS,
    Message,
    TopicPartition,
)

RECORDS_FILE: Final = "records.db"
GROUPS_FILE: Final = "groups.db"


class EmbeddedLog:
    """See ``ingestion.transports.log.EventLog``. Used from one event loop; any number of processes may open it."""

    def __init__(self, folder: Path, client_id: str, clock: Callable[[], float], lease_seconds: float) -> None:
        self.folder = folder
        self._client_id = client_id
        self._clock = clock
        self._lease_seconds = lease_seconds
        self._readers: list[EmbeddedConsumer | EmbeddedTail] = []
        self._records = self._open_records()
        self._appender = Appender(self._open_records(), clock)
        self._watch = Watch(self._open_records(), self._open_groups())
        self._keeper = Keeper(self._open_groups(), lease_seconds)

    @classmethod
    async def open(
        cls, folder: Path, client_id: str, clock: Callable[[], float] = time.time,
        lease_seconds: float = LEASE_SECONDS, partitions: int = PARTITIONS,
    ) -> Self:  # fmt: skip
        """Open the log in ``folder``, made with ``partitions`` partitions a topic when it is not there.

        ``clock`` gives seconds since 1970. A member of a group that is silent for ``lease_seconds`` has its
        partitions taken over. Raises Misconfigured when the folder cannot be used or holds something else.
        """
        return await asyncio.to_thread(cls._open, folder, client_id, clock, lease_seconds, partitions)

    @classmethod
    def _open(
        cls, folder: Path, client_id: str, clock: Callable[[], float], lease_seconds: float, partitions: int
    ) -> Self:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"the log's folder {folder} cannot be made ({error.strerror}); set `events` to a folder that can"
            ) from error
        RecordsFile.create(folder / RECORDS_FILE, partitions)
        GroupsFile.create(folder / GROUPS_FILE)
        return cls(folder, client_id, clock, lease_seconds)

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        self._require(topic)
        for message in messages:
            if (size := len(message.key) + len(message.value)) > MAX_RECORD_BYTES:
                raise TooLarge(f"a record for {topic} has {size} bytes, more than the {MAX_RECORD_BYTES} the log takes")
        if messages:
            ends = await asyncio.wrap_future(self._appender.submit(topic, messages))
            self._watch.appended(ends)

    async def consumer(self, group: str, topics: Sequence[str]) -> EmbeddedConsumer:
        lanes = [lane for topic in topics for lane in self._lanes(topic)]
        consumer = EmbeddedConsumer(
            group, self._client_id, lanes, self._open_records(), self._open_groups(), self._watch, self._keeper
        )
        self._readers.append(consumer)
        await consumer.join()
        return consumer

    async def tail(self, topic: str, start: Mapping[int, int]) -> EmbeddedTail:
        positions = {lane: start.get(lane.partition, 0) for lane in self._lanes(topic)}
        tail = EmbeddedTail(positions, self._open_records(), self._watch)
        self._readers.append(tail)
        return tail

    async def end_offsets(self, topic: str) -> dict[int, int]:
        lanes = self._lanes(topic)
        ends = await asyncio.to_thread(self._records.ends)
        return {lane.partition: ends[lane] for lane in lanes}

    async def identity(self) -> str:
        return self._records.identity

    async def check(self) -> str:
        ends = await asyncio.to_thread(self._records.ends)
        counts = [f"{sum(end for lane, end in ends.items() if lane.topic == topic):,} {topic}" for topic in TOPICS]
        return f"embedded log in {self.folder}: {', '.join(counts)}"

    async def prune(self, keep_hours: float) -> dict[str, int]:
        """Remove records older than ``keep_hours`` that every group has committed; gives how many for each topic.

        A topic that no group ever read loses nothing, nor do KEPT_TOPICS. Offsets go on where they were.
        """
        return await asyncio.to_thread(self._prune, int((self._clock() - keep_hours * 3600) * 1000))

    def _prune(self, before_ms: int) -> dict[str, int]:
        groups, records = self._open_groups(), self._open_records()
        removed: dict[str, int] = {}
        try:
            for lane, committed in groups.committed_by_all().items():
                if lane.topic not in KEPT_TOPICS:
                    removed[lane.topic] = removed.get(lane.topic, 0) + records.prune(lane, committed, before_ms)
        finally:
            groups.close()
            records.close()
        return removed

    async def close(self) -> None:
        """Write what was appended, leave every group, and close the files."""
        for reader in self._readers:
            await reader.close()
        self._watch.close()
        await asyncio.to_thread(self._appender.close)
        await asyncio.to_thread(self._keeper.close)
        self._records.close()

    def _lanes(self, topic: str) -> list[TopicPartition]:
        self._require(topic)
        return [TopicPartition(topic, partition) for partition in range(self._records.partitions[topic])]

    def _require(self, topic: str) -> None:
        if topic not in TOPICS:
            raise BadInput(f"the log has no topic {topic!r}; it has {', '.join(TOPICS)}")

    def _open_records(self) -> RecordsFile:
        return RecordsFile(self.folder / RECORDS_FILE)

    def _open_groups(self) -> GroupsFile:
        return GroupsFile(self.folder / GROUPS_FILE, self._clock, self._lease_seconds)
