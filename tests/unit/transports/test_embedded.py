"""What only the embedded log has: its files, pruning, and disks that are full, locked or somebody else's."""

import asyncio
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from feature_repo.errors import Corrupt, Misconfigured, TryLater
from ingestion.transports.embedded import EmbeddedLog, database
from ingestion.transports.embedded.records import RecordsFile
from ingestion.transports.log import DEAD_LETTERS, EVENTS, PRODUCTS, Message, Record, TopicPartition
from ingestion.transports.opening import open_log

HOUR = 3600.0
FILL_THE_DISK = """
import asyncio, sys
from pathlib import Path
from feature_repo.errors import TryLater
from ingestion.transports.embedded import EmbeddedLog
from ingestion.transports.log import Message

async def main():
    log = await EmbeddedLog.open(Path(sys.argv[1]), "test")
    for n in range(100_000):
        try:
            await log.append("events", [Message(b"k", b"%06d " % n + bytes(10_000)), Message(b"l", b"%06d" % n)])
        except TryLater as error:
            print(n, error)
            return

asyncio.run(main())
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def messages(count: int) -> list[Message]:
    return [Message(b"u:%d" % (n % 7), b"%d" % n) for n in range(count)]


async def everything(log: EmbeddedLog, topic: str = EVENTS) -> list[Record]:
    tail = await log.tail(topic, {})
    return list(await tail.poll(100_000, 0))


async def read_and_commit(log: EmbeddedLog, group: str, count: int, topic: str = EVENTS) -> None:
    consumer = await log.consumer(group, [topic])
    seen = 0
    while seen < count:
        records = (await consumer.poll(count - seen, 1)).records
        seen += len(records)
        await consumer.commit({TopicPartition(record.topic, record.partition): record.offset + 1 for record in records})
    await consumer.close()


class TestPruning:
    async def test_only_what_is_old_and_committed_by_every_group_goes(self, tmp_path: Path) -> None:
        clock = Clock()
        log = await EmbeddedLog.open(tmp_path, "test", clock)
        await log.append(EVENTS, messages(100))
        clock.now += 10 * HOUR
        await log.append(EVENTS, messages(100))
        ends = await log.end_offsets(EVENTS)
        await read_and_commit(log, "lake", 200)
        assert await log.prune(keep_hours=20) == {EVENTS: 0}, "nothing is old enough"
        lagging = await log.consumer("features", [EVENTS])
        assert await log.prune(keep_hours=5) == {EVENTS: 0}, "one group has read nothing"
        await lagging.close()
        await read_and_commit(log, "features", 200)
        assert await log.prune(keep_hours=5) == {EVENTS: 100}
        assert len(await everything(log)) == 100
        assert await log.end_offsets(EVENTS) == ends
        await log.close()

    async def test_offsets_go_on_after_everything_was_pruned(self, tmp_path: Path) -> None:
        clock = Clock()
        log = await EmbeddedLog.open(tmp_path, "test", clock)
        await log.append(EVENTS, [Message(b"k", b"%d" % n) for n in range(10)])
        await read_and_commit(log, "lake", 10)
        clock.now += HOUR
        await log.prune(keep_hours=0)
        await log.append(EVENTS, [Message(b"k", b"next")])
        assert [(record.offset, record.value) for record in await everything(log)] == [(10, b"next")]
        late = await log.consumer("late", [EVENTS])
        assert len((await late.poll(10, 1)).assigned) == 4
        assert [record.offset for record in (await late.poll(10, 1)).records] == [10]
        assert set((await late.lag()).values()) == {0}
        await log.close()

    async def test_products_and_topics_without_readers_are_kept(self, tmp_path: Path) -> None:
        clock = Clock()
        log = await EmbeddedLog.open(tmp_path, "test", clock)
        for topic in (PRODUCTS, DEAD_LETTERS):
            await log.append(topic, messages(10))
        await read_and_commit(log, "lake", 10, PRODUCTS)
        clock.now += HOUR
        assert await log.prune(keep_hours=0) == {}
        assert [len(await everything(log, topic)) for topic in (PRODUCTS, DEAD_LETTERS)] == [10, 10]
        await log.close()

    async def test_what_was_pruned_is_gone_from_the_bytes(self, tmp_path: Path) -> None:
        clock = Clock()
        log = await EmbeddedLog.open(tmp_path, "test", clock)
        await log.append(EVENTS, [Message(b"k", b"anna@example.org")])
        await read_and_commit(log, "lake", 1)
        clock.now += HOUR
        await log.prune(keep_hours=0)
        await log.close()
        assert not [path for path in tmp_path.iterdir() if b"anna@example.org" in path.read_bytes()]


class TestTroubleWithTheFiles:
    def test_a_disk_that_fills_up_refuses_whole_appends_and_keeps_the_others(self, tmp_path: Path) -> None:
        limit = 4_000_000

        def with_a_small_disk() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        found = subprocess.run(
            [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)], preexec_fn=with_a_small_disk,
            capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False,
        )  # fmt: skip
        taken, _, said = found.stdout.partition(" ")
        assert "records.db" in said, found
        log = asyncio.run(self._read(tmp_path))
        assert sorted(int(record.value[:6]) for record in log if record.key == b"k") == list(range(int(taken)))
        assert sorted(int(record.value[:6]) for record in log if record.key == b"l") == list(range(int(taken)))

    @staticmethod
    async def _read(folder: Path) -> list[Record]:
        log = await EmbeddedLog.open(folder, "test")
        records = await everything(log)
        await log.append(EVENTS, messages(1))
        await log.close()
        return records

    def test_a_full_disk_is_named_as_such(self, tmp_path: Path) -> None:
        RecordsFile.create(tmp_path / "records.db")
        records = RecordsFile(tmp_path / "records.db")
        pages = records._connection.execute("PRAGMA page_count").fetchone()[0]
        records._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(TryLater, match=r"the disk of .*records.db is full; free some space"):
            records.append([(EVENTS, [Message(b"k", bytes(100_000))])], 0)
        assert set(records.ends().values()) == {0}
        records.close()

    async def test_a_file_that_another_program_keeps_locked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
        log = await EmbeddedLog.open(tmp_path, "test")
        other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryLater, match=r"has held .*records.db locked"):
            await log.append(EVENTS, messages(1))
        other.execute("ROLLBACK")
        other.close()
        await log.append(EVENTS, messages(1))
        assert len(await everything(log)) == 1
        await log.close()

    @pytest.mark.parametrize("name", ["records.db", "groups.db"])
    async def test_a_file_of_another_program(self, tmp_path: Path, name: str) -> None:
        connection = sqlite3.connect(tmp_path / name)
        connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        with pytest.raises(Misconfigured, match=rf"{name} is a SQLite file but not one of Shopfloor's log"):
            await open_log(str(tmp_path), "test")
        assert sqlite3.connect(tmp_path / name).execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]

    async def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "records.db").write_bytes(b"Dear diary, " * 1000)
        with pytest.raises(Misconfigured, match=r"records.db is not a file of Shopfloor's log"):
            await open_log(str(tmp_path), "test")

    async def test_a_log_of_a_newer_version(self, tmp_path: Path) -> None:
        await (await EmbeddedLog.open(tmp_path, "test")).close()
        connection = sqlite3.connect(tmp_path / "records.db")
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(Misconfigured, match=r"has format 99 .* upgrade Shopfloor"):
            await open_log(str(tmp_path), "test")

    async def test_a_damaged_file(self, tmp_path: Path) -> None:
        log = await EmbeddedLog.open(tmp_path, "test")
        await log.append(EVENTS, [Message(b"k", bytes(1000)) for _ in range(500)])
        await log.close()
        content = bytearray((tmp_path / "records.db").read_bytes())
        content[8192:] = b"\xff" * (len(content) - 8192)
        (tmp_path / "records.db").write_bytes(content)
        with pytest.raises(Corrupt, match=r"records.db is damaged .* restore it from a copy"):
            await everything(await EmbeddedLog.open(tmp_path, "test"))

    async def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "log").write_text("")
        with pytest.raises(Misconfigured, match="cannot be made"):
            await open_log(str(tmp_path / "log"), "test")

    def test_a_file_that_may_only_be_read(self, tmp_path: Path) -> None:
        path = tmp_path / "records.db"
        RecordsFile.create(path)
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        with pytest.raises(Misconfigured, match="right to write"), database.sqlite_errors(path):
            connection.execute("DELETE FROM record")
        connection.close()


class TestWaking:
    async def test_other_topics_do_not_wake_a_tail(self, tmp_path: Path) -> None:
        log = await EmbeddedLog.open(tmp_path, "test")
        tail = await log.tail(PRODUCTS, {})
        waiting = asyncio.create_task(tail.poll(10, 30))
        await log.append(EVENTS, messages(5))
        assert not waiting.done()
        await log.append(PRODUCTS, messages(1))
        assert len(await waiting) == 1
        await log.close()

    async def test_an_idle_reader_costs_next_to_nothing(self, tmp_path: Path) -> None:
        log = await EmbeddedLog.open(tmp_path, "test")
        consumer = await log.consumer("g", [EVENTS])
        await consumer.poll(10, 0.1)
        before = time.process_time()
        assert not (await consumer.poll(10, 1.0)).records
        assert time.process_time() - before < 0.2
        await log.close()

    async def test_a_cancelled_poll_loses_nothing(self, tmp_path: Path) -> None:
        log = await EmbeddedLog.open(tmp_path, "test")
        consumer = await log.consumer("g", [EVENTS])
        await consumer.poll(10, 0.1)
        await log.append(EVENTS, messages(50))
        for _ in range(5):
            poll = asyncio.create_task(consumer.poll(100, 1))
            await asyncio.sleep(0)
            poll.cancel()
            await asyncio.wait([poll])
        assert len((await consumer.poll(100, 1)).records) == 50
        await log.close()

    async def test_an_append_while_closing_is_refused(self, tmp_path: Path) -> None:
        log = await EmbeddedLog.open(tmp_path, "test")
        await log.close()
        with pytest.raises(TryLater, match="closing"):
            await log.append(EVENTS, messages(1))
