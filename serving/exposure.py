"""Logs what each answer showed, without making the answer wait.

At-most-once: an exposure is lost when the queue is full, or when the log is away at shutdown; each loss is counted in
``shopfloor_exposures_dropped_total``. While the service runs and the log is away the writer keeps trying.
"""

import asyncio
import logging
from collections import deque
from typing import Final, Protocol

from feature_repo.errors import ShopfloorError
from ingestion.contracts.exposure import Exposure
from ingestion.contracts.parse import to_log
from ingestion.transports.log import EXPOSURES, EventLog, Message
from serving.metrics import Metrics

BATCH: Final = 500
LINGER_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class Exposures(Protocol):
    """Where an answer says what it showed."""

    def put(self, exposure: Exposure) -> None: ...


class ExposureWriter:
    def __init__(self, log: EventLog, capacity: int, metrics: Metrics) -> None:
        self._log = log
        self._capacity = capacity
        self._waiting: deque[Exposure] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._metrics = metrics
        metrics.exposures_waiting.set_function(lambda: len(self._waiting))

    def put(self, exposure: Exposure) -> None:
        """Hand over an exposure; never waits."""
        if len(self._waiting) >= self._capacity:
            self._metrics.exposures_dropped.inc()
            return
        self._waiting.append(exposure)
        self._arrived.set()

    def stop(self) -> None:
        """Ask ``run`` to write what is left and return."""
        self._stopping = True
        self._arrived.set()

    async def run(self) -> None:
        """Write in small batches until ``stop``."""
        while not self._stopping:
            await self._arrived.wait()
            if not self._stopping:
                await asyncio.sleep(LINGER_SECONDS)
            self._arrived.clear()
            await self._write_all()

    async def flush(self, writing: asyncio.Task[None]) -> None:
        """Stop ``writing``, the task of ``run``, once everything is in the log, or after five seconds."""
        self.stop()
        await asyncio.wait({writing}, timeout=FLUSH_SECONDS)
        writing.cancel()
        if self._waiting:
            logger.error("exposures: %d were lost at shutdown, the log did not take them", len(self._waiting))
            self._metrics.exposures_dropped.inc(len(self._waiting))

    async def _write_all(self) -> None:
        """A batch leaves the queue only once it is durable."""
        while self._waiting:
            batch = [self._waiting[position] for position in range(min(BATCH, len(self._waiting)))]
            messages = [
                Message((exposure.customer_key or exposure.recommendation_id).encode(), to_log(exposure))
                for exposure in batch
            ]
            try:
                await self._log.append(EXPOSURES, messages)
            except ShopfloorError as error:
                logger.warning("exposures: the log does not take them, trying again: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for _ in batch:
                self._waiting.popleft()
            self._metrics.exposures_written.inc(len(batch))
