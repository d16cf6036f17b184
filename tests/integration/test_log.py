"""What every log promises, held to by the embedded log and by a real Kafka."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from feature_repo.errors import BadInput, TooLarge
from ingestion.transports.log import (
    EVENTS,
    MAX_RECORD_BYTES,
    PRODUCTS,
    TOPICS,
    Consumer,
    EventLog,
    Message,
    Record,
    Tail,
    TopicPartition,
)
from ingestion.transports.opening import open_log
from tests.servers.event_log import open_with_lease

ROOT = Path(__file__).parents[2]
SECONDS = 90
"""However slow the machine is, by then it has happened; a test that passes takes far less."""


def messages(count: int, start: int = 0, customers: int = 10) -> list[Message]:
    return [Message(b"u:%d" % (n % customers), b"%d" % n) for n in range(start, start + count)]


def numbers(records: list[Record]) -> list[int]:
    return sorted(int(record.value) for record in records)


def after(records: list[Record]) -> dict[TopicPartition, int]:
    """What to commit when all of these are done."""
    return {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}


class Member:
    """A consumer that keeps what polls told it."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer
        self.held: set[TopicPartition] = set()
        self.records: list[Record] = []

    async def poll(self, timeout: float = 0.05, max_records: int = 1000) -> None:
        poll = await self.consumer.poll(max_records, timeout)
        assert poll.revoked <= self.held
        self.held = (self.held - poll.revoked) | poll.assigned
        assert {TopicPartition(record.topic, record.partition) for record in poll.records} <= self.held
        self.records += poll.records


async def until(done: Callable[[], bool], *members: Member) -> None:
    """All members poll in turn until ``done``."""
    async with asyncio.timeout(SECONDS):
        while not done():
            for member in members:
                await member.poll()


@asynccontextmanager
async def member_of(log: EventLog, group: str, *topics: str) -> AsyncIterator[Member]:
    consumer = await log.consumer(group, topics or (EVENTS,))
    try:
        yield Member(consumer)
    finally:
        await consumer.close()


async def tail_of(tail: Tail, count: int) -> list[Record]:
    records: list[Record] = []
    async with asyncio.timeout(SECONDS):
        while len(records) < count:
            records += await tail.poll(1000, 0.1)
    return records


@asynccontextmanager
async def process(role: str, address: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Another process on the same log; killed in the end, if not before."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.servers.log_process", role, address, cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def line(child: asyncio.subprocess.Process) -> str:
    assert child.stdout is not None
    async with asyncio.timeout(SECONDS):
        return (await child.stdout.readline()).decode().strip()


class TestAppending:
    async def test_what_is_acknowledged_is_there_after_opening_again(self, log_address: str) -> None:
        log = await open_log(log_address, "first")
        await log.append(EVENTS, messages(100))
        identity = await log.identity()
        await log.close()
        log = await open_log(log_address, "second")
        tail = await log.tail(EVENTS, {})
        assert numbers(await tail_of(tail, 100)) == list(range(100))
        assert await log.identity() == identity
        await log.close()

    async def test_records_keep_key_value_and_time_of_taking_over(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, [Message(b"u:\xc3\xa4nne", b'{"a": "\xe2\x82\xac"}')])
        (record,) = await tail_of(await event_log.tail(EVENTS, {}), 1)
        assert (record.topic, record.key, record.value) == (EVENTS, b"u:\xc3\xa4nne", b'{"a": "\xe2\x82\xac"}')
        assert record.timestamp_ms > 1_700_000_000_000

    async def test_records_of_a_key_stay_in_one_partition_and_in_order(self, event_log: EventLog) -> None:
        for start in range(0, 300, 50):
            await event_log.append(EVENTS, messages(50, start))
        records = await tail_of(await event_log.tail(EVENTS, {}), 300)
        partitions = {record.key: record.partition for record in records}
        assert len(set(partitions.values())) > 1
        for key, partition in partitions.items():
            own = [record for record in records if record.key == key]
            assert {record.partition for record in own} == {partition}
            assert [int(record.value) for record in own] == sorted(int(record.value) for record in own)

    async def test_many_callers_at_once(self, event_log: EventLog) -> None:
        await asyncio.gather(*(event_log.append(EVENTS, messages(3, start)) for start in range(0, 600, 3)))
        assert numbers(await tail_of(await event_log.tail(EVENTS, {}), 600)) == list(range(600))

    async def test_nothing_to_append(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, [])
        assert sum((await event_log.end_offsets(EVENTS)).values()) == 0

    async def test_a_record_of_the_largest_size_is_taken(self, event_log: EventLog) -> None:
        largest = [Message(b"k", os.urandom(MAX_RECORD_BYTES - 1)) for _ in range(3)]
        await event_log.append(EVENTS, largest)
        records = await tail_of(await event_log.tail(EVENTS, {}), 3)
        assert [record.value for record in records] == [message.value for message in largest]

    async def test_a_record_that_is_too_large_leaves_nothing_of_its_batch(self, event_log: EventLog) -> None:
        with pytest.raises(TooLarge, match=str(MAX_RECORD_BYTES)):
            await event_log.append(EVENTS, [*messages(3), Message(b"k", b"x" * MAX_RECORD_BYTES)])
        assert sum((await event_log.end_offsets(EVENTS)).values()) == 0

    async def test_a_topic_that_does_not_exist(self, event_log: EventLog) -> None:
        with pytest.raises(BadInput, match="no topic 'evnets'"):
            await event_log.append("evnets", messages(1))

    async def test_end_offsets_count_what_was_appended(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(50))
        ends = await event_log.end_offsets(EVENTS)
        records = await tail_of(await event_log.tail(EVENTS, {}), 50)
        last = {record.partition: record.offset + 1 for record in records}
        assert {partition: end for partition, end in ends.items() if end} == last
        assert sum((await event_log.end_offsets(PRODUCTS)).values()) == 0


class TestReading:
    async def test_a_new_group_starts_at_the_oldest_record(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(100))
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.records) >= 100, member)
            assert numbers(member.records) == list(range(100))

    async def test_groups_are_independent(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(50))
        async with member_of(event_log, "lake") as lake, member_of(event_log, "features") as features:
            await until(lambda: len(lake.records) >= 50, lake)
            await lake.consumer.commit(after(lake.records))
            await until(lambda: len(features.records) >= 50, features)
            assert numbers(features.records) == list(range(50))

    async def test_committed_records_do_not_come_again(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(60))
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.records) >= 60, member)
            await member.consumer.commit(after(member.records))
        await event_log.append(EVENTS, messages(5, start=60))
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.records) >= 5, member)
            assert numbers(member.records) == list(range(60, 65))

    async def test_uncommitted_records_come_again(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(60))
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.records) >= 60, member)
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.records) >= 60, member)
            assert numbers(member.records) == list(range(60))

    async def test_several_topics_at_once(self, event_log: EventLog) -> None:
        async with member_of(event_log, "g", *TOPICS) as member:
            for topic in TOPICS:
                await event_log.append(topic, messages(8))
            await until(lambda: len(member.records) >= 8 * len(TOPICS), member)
            assert Counter(record.topic for record in member.records) == dict.fromkeys(TOPICS, 8)

    async def test_a_poll_brings_no_more_than_asked_for(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(100))
        async with member_of(event_log, "g") as member:
            seen = 0
            async with asyncio.timeout(SECONDS):
                while len(member.records) < 100:
                    await member.poll(max_records=7)
                    assert len(member.records) - seen <= 7
                    seen = len(member.records)
            assert numbers(member.records) == list(range(100))

    async def test_assignment_is_told_before_the_first_record(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(10))
        async with member_of(event_log, "g") as member:
            async with asyncio.timeout(SECONDS):
                while not (poll := await member.consumer.poll(100, 0.1)).assigned:
                    assert not poll.records
            assert not poll.records

    async def test_seek_on_assignment_decides_where_reading_starts(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, [Message(b"k", b"%d" % n) for n in range(20)])
        (partition,) = [p for p, end in (await event_log.end_offsets(EVENTS)).items() if end]
        lane = TopicPartition(EVENTS, partition)
        async with member_of(event_log, "g") as member:
            await until(lambda: lane in member.held, member)
            await member.consumer.seek(lane, 15)
            await until(lambda: len(member.records) >= 5, member)
            assert [record.offset for record in member.records] == [15, 16, 17, 18, 19]
            await member.consumer.seek(lane, 18)
            await until(lambda: len(member.records) >= 7, member)
            assert [record.offset for record in member.records[5:]] == [18, 19]

    async def test_lag_is_what_was_not_given_out_yet(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(40))
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.held) == 4, member)
            assert sum((await member.consumer.lag()).values()) == 40 - len(member.records)
            await until(lambda: len(member.records) >= 40, member)
            assert set((await member.consumer.lag()).values()) == {0}

    async def test_a_waiting_poll_wakes_for_another_process(self, event_log: EventLog, log_address: str) -> None:
        async with member_of(event_log, "g") as member:
            await until(lambda: len(member.held) == 4, member)
            other = await open_log(log_address, "other")
            waiting = asyncio.create_task(member.consumer.poll(10, SECONDS))
            await other.append(EVENTS, messages(1))
            assert [record.value for record in (await waiting).records] == [b"0"]
            await other.close()


class TestSharing:
    async def test_a_second_member_takes_half_and_gives_it_back(self, event_log: EventLog, log_address: str) -> None:
        other = await open_log(log_address, "other")
        async with member_of(event_log, "g") as first:
            await until(lambda: len(first.held) == 4, first)
            async with member_of(other, "g") as second:
                await until(lambda: (len(first.held), len(second.held)) == (2, 2), first, second)
                assert not first.held & second.held
                await event_log.append(EVENTS, messages(100))
                await until(lambda: len(first.records) + len(second.records) >= 100, first, second)
                assert numbers(first.records + second.records) == list(range(100))
                await second.consumer.commit(after(second.records))
            await until(lambda: len(first.held) == 4, first)
        await other.close()

    async def test_nothing_is_left_out_or_doubled_when_members_commit_before_they_poll(
        self, event_log: EventLog, log_address: str
    ) -> None:
        """A rebalance may give a batch out twice, but only one that was not committed."""
        other = await open_log(log_address, "other")
        await event_log.append(EVENTS, messages(500))
        async with member_of(event_log, "g") as first:
            await until(lambda: len(first.records) >= 1, first)
            await first.consumer.commit(after(first.records))
            async with member_of(other, "g") as second:
                async with asyncio.timeout(SECONDS):
                    while {*numbers(first.records), *numbers(second.records)} != set(range(500)):
                        for member in (first, second):
                            await member.poll(max_records=20)
                            await member.consumer.commit(after(member.records[-20:]))
        async with member_of(event_log, "g") as third:
            await event_log.append(EVENTS, messages(40, start=500))
            await until(lambda: {*range(500, 540)} <= {*numbers(third.records)}, third)
        await other.close()

    async def test_more_members_than_partitions(self, event_log: EventLog, log_address: str) -> None:
        other = await open_log(log_address, "other")
        members = [Member(await (event_log, other)[n % 2].consumer("g", [EVENTS])) for n in range(5)]
        held: Callable[[], list[int]] = lambda: sorted(len(member.held) for member in members)  # noqa: E731
        await until(lambda: held() == [0, 1, 1, 1, 1], *members)
        for member in members:
            await member.consumer.close()
        await other.close()

    async def test_a_killed_member_is_taken_over_with_what_it_had_not_committed(self, log_address: str) -> None:
        log = await open_with_lease(log_address, "survivor", seconds=3)
        await log.append(EVENTS, messages(100))
        async with process("read", log_address) as child:
            await line(child)
            async with member_of(log, "killed") as survivor:
                child.send_signal(signal.SIGKILL)
                await until(lambda: len(survivor.held) == 4, survivor)
                await until(lambda: {*numbers(survivor.records)} == set(range(100)), survivor)
        await log.close()

    async def test_a_commit_of_a_former_owner_is_ignored(self, event_log: EventLog, log_address: str) -> None:
        await event_log.append(EVENTS, messages(100))
        other = await open_log(log_address, "other")
        async with member_of(event_log, "g") as former:
            await until(lambda: len(former.records) >= 100, former)
            async with member_of(other, "g") as owner:
                await until(lambda: (len(former.held), len(owner.held)) == (2, 2), former, owner)
                await until(lambda: all(any(r[:2] == lane for r in owner.records) for lane in owner.held), owner)
                lanes = [lane for lane in owner.held if any(r[:2] == lane for r in former.records)]
                ends = {lane: offset for lane, offset in after(former.records).items() if lane in lanes}
                await owner.consumer.commit(ends)
                await former.consumer.commit(dict.fromkeys(lanes, 0))
        async with member_of(event_log, "g") as third:
            await until(lambda: len(third.held) == 4 and len(third.records) > 0, third)
            await third.poll(timeout=1)
            assert not {TopicPartition(*record[:2]) for record in third.records} & set(lanes)
        await other.close()


class TestTail:
    async def test_from_the_oldest_record_and_on(self, event_log: EventLog) -> None:
        await event_log.append(PRODUCTS, messages(30))
        tail = await event_log.tail(PRODUCTS, {})
        assert numbers(await tail_of(tail, 30)) == list(range(30))
        await event_log.append(PRODUCTS, messages(5, start=30))
        assert numbers(await tail_of(tail, 5)) == list(range(30, 35))
        assert not await tail.poll(10, 0.05)

    async def test_from_given_offsets(self, event_log: EventLog) -> None:
        await event_log.append(PRODUCTS, messages(30))
        ends = await event_log.end_offsets(PRODUCTS)
        await event_log.append(PRODUCTS, messages(10, start=30))
        assert numbers(await tail_of(await event_log.tail(PRODUCTS, ends), 10)) == list(range(30, 40))

    async def test_two_tails_see_the_same(self, event_log: EventLog) -> None:
        tails = [await event_log.tail(PRODUCTS, {}) for _ in range(2)]
        await event_log.append(PRODUCTS, messages(10))
        for tail in tails:
            assert numbers(await tail_of(tail, 10)) == list(range(10))


class TestTrouble:
    async def test_an_appender_killed_again_and_again_loses_nothing_acknowledged(self, log_address: str) -> None:
        log = await open_log(log_address, "reader")
        expected: Counter[bytes] = Counter()
        for _ in range(3):
            async with process("append", log_address) as child:
                acknowledged = 0
                while acknowledged < 400:
                    acknowledged = int(await line(child))
                child.kill()
                rest, _ = await child.communicate()
                acknowledged = int((rest.split() or [acknowledged])[-1])
                expected.update(b'{"n": %d}' % n for n in range(acknowledged))
        count = sum((await log.end_offsets(EVENTS)).values())
        found = Counter(record.value for record in await tail_of(await log.tail(EVENTS, {}), count))
        assert expected <= found
        await log.close()

    async def test_check_says_where_and_how_much(self, event_log: EventLog) -> None:
        await event_log.append(EVENTS, messages(3))
        assert "3 events" in await event_log.check()

    async def test_closing_twice_and_closing_readers_first(self, event_log: EventLog) -> None:
        consumer = await event_log.consumer("g", [EVENTS])
        await consumer.close()
        await consumer.close()
        tail = await event_log.tail(EVENTS, {})
        await tail.close()
        await tail.close()
