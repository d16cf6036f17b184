"""The feed follows the log whatever stands in it, or in the lake."""

import asyncio
from datetime import UTC, datetime

from ingestion.contracts.parse import to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.transports.log import PRODUCTS, Message
from serving.catalogue import Catalogue
from serving.catalogue_feed import CatalogueFeed
from serving.metrics import Metrics
from tests.unit.serving.shop import MemoryLog

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Lake:
    """Empty, or failing in a way that nobody foresaw."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def products(self, log_id: str) -> tuple[list[StoredProduct], dict[int, int]]:
        if self._error:
            raise self._error
        return [], {}

    def categories(self, log_id: str) -> tuple[list[StoredCategory], dict[int, int]]:
        return [], {}


class Picky(Catalogue):
    def apply(self, record: StoredProduct) -> None:
        if record.item_id == "poison":
            raise OverflowError("date value out of range")
        super().apply(record)


async def followed(lake: Lake, *item_ids: str) -> tuple[Catalogue, CatalogueFeed, Metrics]:
    """The catalogue once the feed has caught up with a log that holds these products."""
    log, catalogue, metrics = MemoryLog(), Picky(), Metrics()
    records = [to_log(StoredProduct(item_id=item_id, updated_at=NOW)) for item_id in item_ids]
    await log.append(PRODUCTS, [Message(b"", record) for record in records])
    feed = CatalogueFeed(catalogue, lake, log, metrics)  # type: ignore[arg-type]  # the log has what a feed needs
    running = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(10):
            await feed.caught_up.wait()
    finally:
        running.cancel()
    return catalogue, feed, metrics


async def test_a_lake_that_fails_in_a_way_of_its_own_delays_nothing() -> None:
    catalogue, feed, _ = await followed(Lake(OverflowError("date value out of range")), "tent")
    assert set(catalogue) == {"tent"}
    assert feed.problem is None


async def test_a_record_that_cannot_be_taken_over_is_left_out_and_those_behind_it_stand() -> None:
    catalogue, feed, metrics = await followed(Lake(), "stove", "poison", "tent")
    assert set(catalogue) == {"stove", "tent"}
    assert feed.problem is None
    assert metrics.registry.get_sample_value("shopfloor_catalogue_refused_total") == 1
