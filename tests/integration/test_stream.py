"""The two consumer groups on a real log and a real lake: what goes in, what comes out, and what a restart changes."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from feature_repo.errors import TryLater
from ingestion.contracts.parse import to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.taxonomy import StoredCategory
from ingestion.sinks.lake import Lake
from ingestion.stream.catch_up import catch_up
from ingestion.stream.lake_group import LakeGroup
from ingestion.stream.settings import StreamSettings
from ingestion.transports.embedded.log import EmbeddedLog
from ingestion.transports.log import DEAD_LETTERS, EVENTS, PRODUCTS, TAXONOMY, Message
from tests.builders import NOW, event_json
from tests.integration.stream_shop import Shop, messages


class TestLakeGroup:
    async def test_each_topic_lands_in_its_table(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, messages("e1", "e2"))
        product = StoredProduct(item_id="tent", attributes={"colour": "red"}, updated_at=NOW)
        await shop.log.append(PRODUCTS, [Message(b"tent", to_log(product))])
        node = StoredCategory(category_id="camping", taxonomy_version="v1", size=1, updated_at=NOW)
        await shop.log.append(TAXONOMY, [Message(b"taxonomy", to_log(node))])
        await shop.work_until(lambda: all(shop.rows(t, "1") for t in ("events", "products", "taxonomy")))
        assert shop.rows("events", "event_id") == [("e1",), ("e2",)]
        assert shop.rows("products", "item_id, attributes['colour']") == [("tent", "red")]
        assert shop.rows("taxonomy", "category_id, size") == [("camping", 1)]

    async def test_an_invalid_record_becomes_a_dead_letter_and_its_neighbours_stand(self, shop: Shop) -> None:
        bad = Message(b"u:anna", event_json(event_id="bad", event_name="bought"))
        await shop.log.append(EVENTS, [*messages("e1"), bad, Message(b"u:anna", b"\xff\xfe"), *messages("e2")])
        await shop.work_until(lambda: len(shop.rows("dead_letters", "1")) == 2)
        assert shop.rows("events", "event_id") == [("e1",), ("e2",)]
        letters = shop.rows("dead_letters", "payload_encoding, customer_key, reasons[1].field")
        assert letters == [("base64", "u:anna", "(record)"), ("utf-8", "u:anna", "event_name")]

    async def test_a_retry_counts_once(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, messages("e1", "e1", "e2"))
        await shop.log.append(EVENTS, messages("e1"))
        await shop.work_until(shop.has("events", "event_id", ("e1",), ("e2",)))

    async def test_a_retry_after_a_restart_counts_once(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, messages("e1"))
        await shop.work_until(shop.has("events", "event_id", ("e1",)))
        await shop.log.append(EVENTS, messages("e1", "e2"))
        await shop.work_until(shop.has("events", "event_id", ("e1",), ("e2",)))

    async def test_a_retry_that_passes_to_another_member_counts_once(self, shop: Shop) -> None:
        ids = [f"e{i:03}" for i in range(100)]
        sent = [message for one in ids for message in messages(one, customer=one)]
        await shop.log.append(EVENTS, sent)
        stops = [asyncio.Event(), asyncio.Event()]
        first = asyncio.create_task(shop.worker().run(stops[0]))
        await _until(lambda: len(shop.rows("events", "1")) == 100)
        second = asyncio.create_task(shop.worker().run(stops[1]))
        await shop.log.append(EVENTS, [*sent, *messages("more")])
        await _until(lambda: ("more",) in shop.rows("events", "event_id"))
        stops[0].set()
        await first
        await shop.log.append(EVENTS, [*sent, *messages("last")])
        await _until(lambda: ("last",) in shop.rows("events", "event_id"))
        stops[1].set()
        await second
        assert shop.rows("events", "event_id") == [(one,) for one in (*ids, "last", "more")]

    async def test_a_retry_counts_once_for_a_worker_that_is_days_behind_and_restarts(self, tmp_path: Path) -> None:
        async with asyncio.timeout(30):
            log = await EmbeddedLog.open(tmp_path / "log", "test", clock=lambda: time.time() - 72 * 3600)
        shop = Shop(log, tmp_path / "lake")
        try:
            await log.append(EVENTS, messages("e1", hours_ago=72))
            await shop.work_until(shop.has("events", "event_id", ("e1",)))
            await log.append(EVENTS, messages("e1", "e2", hours_ago=72))
            await shop.work_until(shop.has("events", "event_id", ("e1",), ("e2",)))
        finally:
            await log.close()

    async def test_stopping_writes_what_waits(self, shop: Shop) -> None:
        settings = StreamSettings(lake_batch_seconds=3600)
        worker = LakeGroup(shop.log, Lake(str(shop.folder)), settings, shop.counters, time.time)
        stop = asyncio.Event()
        running = asyncio.create_task(worker.run(stop))
        await shop.log.append(EVENTS, messages("e1"))
        async with asyncio.timeout(30):
            while not worker.waiting_records:
                await asyncio.sleep(0.01)
        stop.set()
        await running
        assert shop.rows("events", "event_id") == [("e1",)]

    async def test_a_lake_that_is_away_delays_and_loses_nothing(self, shop: Shop) -> None:
        lake = _FailingLake(str(shop.folder), failures=2)
        await shop.log.append(EVENTS, messages("e1", "e2"))
        await shop.work_until(shop.has("events", "event_id", ("e1",), ("e2",)), lake)
        assert lake.failures == 0

    async def test_killed_between_dead_letter_and_commit_the_letter_stands_once(self, shop: Shop) -> None:
        lake = _FailingLake(str(shop.folder), failures=1)
        await shop.log.append(EVENTS, [Message(b"u:anna", b"{}"), *messages("e1")])
        await shop.work_until(lambda: bool(shop.rows("events", "1")), lake)
        assert sum((await shop.log.end_offsets(DEAD_LETTERS)).values()) == 2
        await shop.work_until(lambda: len(shop.rows("dead_letters", "1")) == 1)

    async def test_two_members_share_the_work_and_write_each_record_once(self, shop: Shop) -> None:
        ids = [f"e{i:03}" for i in range(200)]
        await shop.log.append(EVENTS, [m for one in ids for m in messages(one, customer=one)])
        stop = asyncio.Event()
        members = [asyncio.create_task(shop.worker().run(stop)) for _ in range(2)]
        await _until(lambda: len(shop.rows("events", "1")) >= 200)
        stop.set()
        await asyncio.gather(*members)
        assert shop.rows("events", "event_id") == [(one,) for one in ids]


class _FailingLake(Lake):
    """A lake whose first appends of events fail, as a full disk would make them."""

    def __init__(self, address: str, failures: int) -> None:
        super().__init__(address)
        self.failures = failures

    def append(self, table: str, *rest: Any) -> int:
        if table == "events" and self.failures:
            self.failures -= 1
            raise TryLater("no space left on device")
        return super().append(table, *rest)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0.02)


class TestCatchUp:
    async def test_without_any_worker_everything_gets_into_the_lake(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, messages("e1", "e2"))
        assert await catch_up(shop.log, Lake(str(shop.folder)), shop.worker(), grace_seconds=0.1) == 2
        assert shop.rows("events", "event_id") == [("e1",), ("e2",)]

    async def test_a_lake_that_has_everything_is_left_alone(self, shop: Shop) -> None:
        await shop.log.append(EVENTS, messages("e1"))
        await shop.work_until(shop.has("events", "event_id", ("e1",)))
        assert await catch_up(shop.log, Lake(str(shop.folder)), shop.worker(), grace_seconds=0.1) == 0

    async def test_it_waits_for_workers_that_run(self, shop: Shop) -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(shop.worker().run(stop))
        await shop.log.append(EVENTS, messages("e1"))
        bystander = shop.worker()
        await catch_up(shop.log, Lake(str(shop.folder)), bystander, grace_seconds=60)
        assert shop.rows("events", "event_id") == [("e1",)]
        stop.set()
        await running
