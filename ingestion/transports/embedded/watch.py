"""Waking readers: at once for what this process appends, within milliseconds for what another one does.

SQLite tells other processes nothing, but ``PRAGMA data_version`` says for microseconds of CPU whether anybody
committed. One timer asks for all readers of the process, and only while one of them waits.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from feature_repo.errors import ShopfloorError
from ingestion.transports.embedded.groups import GroupsFile
from ingestion.transports.embedded.records import RecordsFile
from ingestion.transports.log import TopicPartition

SHORTEST_SECONDS: Final = 0.008
"""Between two looks while other processes write."""
LONGEST_SECONDS: Final = 0.032
"""Between two looks at a file that nobody else writes to: each one in vain doubles the time to the next."""


class Watch:
    """Knows how far each partition goes, and that something changed in the groups."""

    def __init__(self, records: RecordsFile, groups: GroupsFile) -> None:
        self._records = records
        self._groups = groups
        self._seen = (-1, -1)
        self._waiting: dict[asyncio.Future[None], Callable[[], bool]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._interval = SHORTEST_SECONDS
        self.ends: dict[TopicPartition, int] = {}
        self.group_changes = 0

    async def wait(self, ready: Callable[[], bool], timeout: float) -> None:
        """Until ``ready()``, looked at after every change, or until the time is over."""
        self._look()
        if ready():
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = ready
        if self._timer is None:
            self._tick()
        try:
            async with asyncio.timeout(timeout):
                await waiter
        except TimeoutError:
            pass
        finally:
            del self._waiting[waiter]

    def appended(self, ends: Mapping[TopicPartition, int]) -> None:
        """This process appended up to ``ends``."""
        for lane, end in ends.items():
            self.ends[lane] = max(end, self.ends.get(lane, 0))
        self._wake()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._records.close()
        self._groups.close()

    def _tick(self) -> None:
        """A timer rather than a task: idle readers pay for it thirty times a second."""
        self._timer = None
        if not self._waiting:
            return
        self._interval = min(2 * self._interval, LONGEST_SECONDS)
        try:
            self._look()
        except ShopfloorError:  # the readers meet the same failure themselves, and tell their callers
            for waiter in self._waiting:
                if not waiter.done():
                    waiter.set_result(None)
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._tick)

    def _look(self) -> None:
        seen = (self._records.data_version(), self._groups.data_version())
        if seen == self._seen:
            return
        self._interval = SHORTEST_SECONDS
        if seen[0] != self._seen[0]:
            self.ends = self._records.ends()
        if seen[1] != self._seen[1]:
            self.group_changes += 1
        self._seen = seen
        self._wake()

    def _wake(self) -> None:
        for waiter, ready in self._waiting.items():
            if not waiter.done() and ready():
                waiter.set_result(None)
