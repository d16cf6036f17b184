"""Keeps the catalogue true: loads the lake's latest products and taxonomy, then follows the log from there.

At-least-once: a record applied twice changes nothing, because a record replaces the earlier one of its key.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from feature_repo.errors import told
from ingestion.contracts.parse import read_record
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.rejection import Rejection
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.transports.log import PRODUCTS, TAXONOMY, EventLog, Record
from serving.catalogue import Catalogue
from serving.metrics import Metrics

BATCH: Final = 500
POLL_SECONDS: Final = 0.5
RETRY_SECONDS: Final = 1.0

R = TypeVar("R")

logger = logging.getLogger(__name__)


class Snapshot(Protocol):
    """What the lake knows of the catalogue, and the log offsets from which to go on (``ingestion/sinks/lake.py``)."""

    def products(self, log_id: str) -> tuple[list[StoredProduct], dict[int, int]]: ...

    def categories(self, log_id: str) -> tuple[list[StoredCategory], dict[int, int]]: ...


class CatalogueFeed:
    def __init__(self, catalogue: Catalogue, snapshot: Snapshot, log: EventLog, metrics: Metrics) -> None:
        self._catalogue = catalogue
        self._snapshot = snapshot
        self._log = log
        self._metrics = metrics
        self._behind = {PRODUCTS, TAXONOMY}
        self.caught_up = asyncio.Event()
        """Set once everything that stood in the log at the start is in memory."""
        self.problem: str | None = None
        """What keeps the feed from following the log; None while it does."""

    async def run(self) -> None:
        """Load, then follow until cancelled."""
        products, product_offsets = await self._load(self._snapshot.products)
        for batch in _batches(products):
            for product in batch:
                self._catalogue.apply(product)
            await asyncio.sleep(0)
        categories, category_offsets = await self._load(self._snapshot.categories)
        for category in categories:
            self._catalogue.taxonomy.apply(category)
        self._metrics.catalogue_products.set(len(self._catalogue))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(PRODUCTS, product_offsets, self._take_product))
            tasks.create_task(self._follow(TAXONOMY, category_offsets, self._take_category))

    async def _load(self, read: Callable[[str], tuple[list[R], dict[int, int]]]) -> tuple[list[R], dict[int, int]]:
        try:
            return await asyncio.to_thread(read, await self._log.identity())
        except Exception as error:
            # Whatever it is, the log holds the same records; reading it from the start only takes longer.
            logger.warning("catalogue: the lake cannot be read, following the log from its start: %s", told(error))
            return [], {}

    async def _follow(self, topic: str, start: Mapping[int, int], take: Callable[[Record], Rejection | None]) -> None:
        offsets = dict(start)
        while True:
            try:
                tail = await self._log.tail(topic, offsets)
                try:
                    while True:
                        records = await tail.poll(BATCH, POLL_SECONDS)
                        for record in records:
                            self._taken(record, take)
                            offsets[record.partition] = record.offset + 1
                        self.problem = None
                        if len(records) < BATCH:
                            self._reached_end(topic)
                        await asyncio.sleep(0)
                finally:
                    await tail.close()
            except Exception as error:  # ours or not: a feed that died would show what is sold out for ever
                self.problem = told(error)
                logger.warning("catalogue: cannot follow %s, trying again: %s", topic, self.problem)
                await asyncio.sleep(RETRY_SECONDS)

    def _reached_end(self, topic: str) -> None:
        self._behind.discard(topic)
        if not self._behind and not self.caught_up.is_set():
            self._catalogue.settle()
            self.caught_up.set()

    def _taken(self, record: Record, take: Callable[[Record], Rejection | None]) -> None:
        """Take the record over, or leave it out and say so: no record may keep those behind it from being read."""
        try:
            refused: object = take(record)
        except Exception as error:
            refused = told(error)
        if refused is not None:
            self._metrics.catalogue_refused.inc()
            where = f"{record.topic}/{record.partition}/{record.offset}"
            logger.warning("catalogue: left out record %s: %s", where, refused)

    def _take_product(self, record: Record) -> Rejection | None:
        product = read_record(StoredProduct, record.value, "item_id")
        if isinstance(product, Rejection):
            return product
        self._catalogue.apply(product)
        self._metrics.catalogue_products.set(len(self._catalogue))
        return None

    def _take_category(self, record: Record) -> Rejection | None:
        category = read_record(StoredCategory, record.value, "category_id")
        if isinstance(category, Rejection):
            return category
        self._catalogue.taxonomy.apply(category)
        return None


def _batches(records: Sequence[R]) -> Iterable[Sequence[R]]:
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]
