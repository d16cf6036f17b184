"""Readers of the embedded log. SQLite is read in a thread of each reader, so that the event loop never waits for it."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from ingestion.transports.embedded.groups import GroupsFile, Holding
from ingestion.transports.embedded.keeper import Keeper
from ingestion.transports.embedded.records import RecordsFile
from ingestion.transports.embedded.watch import Watch
from ingestion.transports.log import Poll, Record, TopicPartition

_T = TypeVar("_T")
_LOOKS_PER_LEASE: Final = 3


class _Thread:
    """Runs one reader's SQLite calls one after the other, away from the event loop."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, name)

    async def run(self, call: Callable[..., _T], *arguments: Any) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)

    async def close(self) -> None:
        await asyncio.to_thread(self._executor.shutdown)


class EmbeddedConsumer:
    """One member of a group; see ``ingestion.transports.log.Consumer``.

    At-least-once: positions move when a poll returns, offsets are stored by ``commit``, and partitions change hands
    only inside ``poll``, so whoever commits before polling again repeats nothing on a rebalance.
    """

    def __init__(
        self, group: str, client_id: str, lanes: Sequence[TopicPartition],
        records: RecordsFile, groups: GroupsFile, watch: Watch, keeper: Keeper,
    ) -> None:  # fmt: skip
        self._group = group
        self._client_id = client_id
        self._lanes = lanes
        self._records = records
        self._groups = groups
        self._watch = watch
        self._keeper = keeper
        self._thread = _Thread(f"log-{group}")
        self._member = 0
        self._held: dict[TopicPartition, Holding] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._groups_seen = -1
        self._next_look = 0.0
        self._closed = False

    async def join(self) -> None:
        """Comes before anything else."""
        self._member = await self._thread.run(self._groups.join, self._group, self._client_id, self._lanes)
        self._keeper.add(self._member)

    async def poll(self, max_records: int, timeout: float) -> Poll:
        deadline = time.monotonic() + timeout
        while True:
            changes = self._watch.group_changes
            if change := await self._rebalance():
                return change
            records, following = await self._thread.run(self._records.read, self._positions, max_records)
            self._positions = following
            left = deadline - time.monotonic()
            if records or left <= 0:
                return Poll(records)

            def ready(changes: int = changes) -> bool:
                ends = self._watch.ends
                return self._watch.group_changes != changes or any(
                    ends.get(lane, 0) > offset for lane, offset in self._positions.items()
                )

            await self._watch.wait(ready, min(left, max(0.0, self._next_look - time.monotonic())))

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        held = {lane: (self._held[lane].epoch, offset) for lane, offset in offsets.items() if lane in self._held}
        if held:
            await self._thread.run(self._groups.commit, self._group, self._member, held)

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        if partition in self._positions:
            self._positions = self._positions | {partition: offset}

    async def lag(self) -> dict[TopicPartition, int]:
        ends = await self._thread.run(self._records.ends)
        return {lane: max(0, ends[lane] - offset) for lane, offset in self._positions.items()}

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._keeper.remove(self._member)
        await self._thread.run(self._groups.leave, self._member)
        await self._thread.run(self._groups.close)
        await self._thread.run(self._records.close)
        await self._thread.close()

    async def _rebalance(self) -> Poll | None:
        """Look at the group when something changed there, or when a lease may have run out."""
        self._keeper.polled(self._member)
        seen = self._groups.data_version()
        if seen == self._groups_seen and time.monotonic() < self._next_look:
            return None
        held = await self._thread.run(self._groups.balance, self._group, self._member)
        self._groups_seen = seen
        self._next_look = time.monotonic() + self._keeper.lease_seconds / _LOOKS_PER_LEASE
        if held is None:  # away for longer than the lease: a new member, holding nothing
            self._keeper.remove(self._member)
            await self.join()
            held, self._next_look = {}, 0.0
        revoked = frozenset(
            lane for lane, was in self._held.items() if lane not in held or held[lane].epoch != was.epoch
        )
        assigned = frozenset(lane for lane, now in held.items() if lane not in self._held or lane in revoked)
        self._held = held
        if not assigned and not revoked:
            return None
        kept = {lane: offset for lane, offset in self._positions.items() if lane not in revoked}
        self._positions = kept | {lane: held[lane].next_offset for lane in assigned}
        return Poll(assigned=assigned, revoked=revoked)


class EmbeddedTail:
    """See ``ingestion.transports.log.Tail``."""

    def __init__(self, positions: Mapping[TopicPartition, int], records: RecordsFile, watch: Watch) -> None:
        self._positions = dict(positions)
        self._records = records
        self._watch = watch
        self._thread = _Thread("log-tail")
        self._closed = False

    async def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        deadline = time.monotonic() + timeout
        while True:
            records, self._positions = await self._thread.run(self._records.read, self._positions, max_records)
            left = deadline - time.monotonic()
            if records or left <= 0:
                return records
            await self._watch.wait(self._behind, left)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._thread.run(self._records.close)
        await self._thread.close()

    def _behind(self) -> bool:
        return any(self._watch.ends.get(lane, 0) > offset for lane, offset in self._positions.items())
