"""Renewing leases: one thread for all members of a process, so that a busy event loop does not lose its partitions."""

import logging
import threading
import time
from typing import Final

from feature_repo.errors import ShopfloorError
from ingestion.transports.embedded.groups import GroupsFile

_RENEWALS_PER_LEASE: Final = 4
MAX_SILENCE_SECONDS: Final = 300.0
"""A member that has not polled for so long is stuck; its partitions go to others, as in Kafka."""

log = logging.getLogger(__name__)


class Keeper:
    def __init__(self, groups: GroupsFile, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._groups = groups
        self._polled: dict[int, float] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, member: int) -> None:
        self._polled[member] = time.monotonic()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log-leases", daemon=True)
            self._thread.start()

    def polled(self, member: int) -> None:
        self._polled[member] = time.monotonic()

    def remove(self, member: int) -> None:
        self._polled.pop(member, None)

    def close(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._groups.close()

    def _run(self) -> None:
        while not self._stop.wait(self.lease_seconds / _RENEWALS_PER_LEASE):
            for member, polled in list(self._polled.items()):
                if time.monotonic() - polled > MAX_SILENCE_SECONDS:
                    continue
                try:
                    self._groups.renew(member)
                except ShopfloorError as error:
                    log.warning("the lease of a log consumer could not be renewed: %s", error)
