"""What each answer showed, as its line in the log, and the writer that logs it without making the answer wait.

At-most-once: an exposure is lost when the queue is full, or when the log is away at shutdown; each loss is counted in
``shopfloor_exposures_dropped_total``. While the service runs and the log is away the writer keeps trying.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

import msgspec

from feature_repo.errors import ShopfloorError
from ingestion.contracts.event import customer_key
from ingestion.transports.log import EXPOSURES, EventLog, Message
from serving.metrics import Metrics
from serving.question import Answer, Question

BATCH: Final = 500
LINGER_SECONDS: Final = 0.2
RETRY_SECONDS: Final = 1.0
FLUSH_SECONDS: Final = 5.0

logger = logging.getLogger(__name__)


class ItemLine(msgspec.Struct, frozen=True):
    """The contract's ``ExposedItem``, to be written only."""

    item_id: str
    position: int
    score: float
    propensity: float
    reason: str


class ExposureLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contract's ``Exposure``, to be written only: twenty items of the contract cost as much as finding them.

    A test holds the fields equal to those of ``ingestion/contracts/exposure.py``.
    """

    recommendation_id: str
    shown_at: datetime
    customer_key: str
    placement: str
    market: str | None = None
    model_version: str | None = None
    variant: str | None = None
    degraded: Sequence[str] = ()
    items: Sequence[ItemLine] = ()
    asked_with: Sequence[str] = ()


def exposure_of(question: Question, answer: Answer, propensities: Sequence[float], now: datetime) -> ExposureLine:
    """What was shown, with the probability that each place shows what it does."""
    known = question.user_id is not None or question.anonymous_id is not None
    return ExposureLine(
        recommendation_id=answer.recommendation_id,
        shown_at=now,
        customer_key=customer_key(question.user_id, question.anonymous_id) if known else "",
        placement=question.placement,
        market=question.market,
        model_version=answer.model_version,
        variant=answer.variant,
        degraded=answer.degraded,
        items=[
            ItemLine(item.item_id, position, item.score, propensity, item.reason)
            for position, (item, propensity) in enumerate(zip(answer.items, propensities, strict=True))
        ],
        asked_with=_asked_with(question),
    )


def _asked_with(question: Question) -> tuple[str, ...]:
    said = {
        "item_ids": question.item_ids,
        "recent_item_ids": question.recent_item_ids,
        "category_ids": question.filters.category_ids,
        "exclude_item_ids": question.filters.exclude_item_ids,
    }
    return tuple(field for field, value in said.items() if value)


class Exposures(Protocol):
    """Where an answer says what it showed."""

    def put(self, exposure: ExposureLine) -> None: ...


class ExposureWriter:
    def __init__(self, log: EventLog, capacity: int, metrics: Metrics) -> None:
        self._log = log
        self._capacity = capacity
        self._waiting: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._stopping = False
        self._metrics = metrics
        self._encoder = msgspec.json.Encoder()
        metrics.exposures_waiting.set_function(lambda: len(self._waiting))

    def put(self, exposure: ExposureLine) -> None:
        """Hand over an exposure; never waits."""
        if len(self._waiting) >= self._capacity:
            self._metrics.exposures_dropped.inc()
            return
        key = exposure.customer_key or exposure.recommendation_id
        self._waiting.append(Message(key.encode(), self._encoder.encode(exposure)))
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
            try:
                await self._log.append(EXPOSURES, batch)
            except ShopfloorError as error:
                logger.warning("exposures: the log does not take them, trying again: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            for _ in batch:
                self._waiting.popleft()
            self._metrics.exposures_written.inc(len(batch))
