"""What only Kafka has: logins, brokers that die, topics with settings. On clusters that these tests may harm."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from feature_repo.errors import Misconfigured, TryLater
from ingestion.transports.log import EVENTS, PRODUCTS, Consumer, EventLog, Message, Record
from ingestion.transports.opening import open_log
from tests.servers.child import free_ports
from tests.servers.kafka_server import KafkaCluster, start_cluster

pytestmark = pytest.mark.kafka
SECONDS = 120
USER, PASSWORD = "shop", "s3cret-word"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """One broker that wants a login; some tests kill it."""
    cluster = start_cluster(tmp_path_factory.mktemp("guarded"), users={USER: PASSWORD})
    yield cluster
    cluster.stop()


@pytest.fixture
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    cluster = start_cluster(tmp_path_factory.mktemp("three"), size=3)
    yield cluster
    cluster.stop()


def login(cluster: KafkaCluster, prefix: str, password: str = PASSWORD, mechanism: str = "SCRAM-SHA-512") -> str:
    return (
        f"kafka://{USER}:{password}@{cluster.bootstrap}?security=SASL_PLAINTEXT&mechanism={mechanism}&prefix={prefix}."
    )


async def everything(log: EventLog) -> list[Record]:
    count = sum((await log.end_offsets(EVENTS)).values())
    tail = await log.tail(EVENTS, {})
    records: list[Record] = []
    async with asyncio.timeout(SECONDS):
        while len(records) < count:
            records += await tail.poll(5000, 0.2)
    return records


async def append_until_taken(log: EventLog, messages: list[Message]) -> int:
    """As a producer does: again after each TryLater. Gives how often it was told to."""
    refused = 0
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await log.append(EVENTS, messages)
            except TryLater:
                refused += 1
            else:
                return refused


async def read_until_away(consumer: Consumer, read: set[bytes]) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            read |= {record.value for record in (await consumer.poll(5000, 0.5)).records}


class TestLogin:
    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
    async def test_the_right_password(self, guarded: KafkaCluster, mechanism: str) -> None:
        log = await open_log(login(guarded, mechanism, mechanism=mechanism), "test")
        await log.append(EVENTS, [Message(b"k", b"v")])
        assert [record.value for record in await everything(log)] == [b"v"]
        await log.close()

    async def test_a_wrong_password_says_what_to_check_and_never_shows_it(
        self, guarded: KafkaCluster, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG), pytest.raises(TryLater, match=f"user '{USER}', its password") as told:
            await open_log(login(guarded, "wrong", password="wr0ng-word"), "test")
        assert "wr0ng-word" not in str(told.value) + caplog.text

    async def test_no_login_where_one_is_needed(self, guarded: KafkaCluster) -> None:
        with pytest.raises(TryLater, match="security=PLAINTEXT"):
            await open_log(f"kafka://{guarded.bootstrap}", "test")


class TestBrokerAway:
    async def test_nobody_answers(self) -> None:
        (port,) = free_ports(1)
        with pytest.raises(TryLater, match=f"no Kafka broker answers at 127.0.0.1:{port}; check that it runs"):
            await open_log(f"kafka://127.0.0.1:{port}", "test")

    async def test_killed_and_started_again(self, guarded: KafkaCluster) -> None:
        log = await open_log(login(guarded, "killed"), "test")
        consumer = await log.consumer("g", [EVENTS])
        for start in range(0, 1000, 100):
            await log.append(EVENTS, [Message(b"%d" % (n % 9), b"%d" % n) for n in range(start, start + 100)])
        read: set[bytes] = set()
        guarded.kill()
        with pytest.raises(TryLater, match="Kafka"):
            await log.append(EVENTS, [Message(b"late", b"late")])
        with pytest.raises(TryLater, match="no Kafka broker answers"):
            await read_until_away(consumer, read)
        guarded.restart()
        await append_until_taken(log, [Message(b"after", b"after")])
        found = {record.value for record in await everything(log)}
        assert found >= {b"%d" % n for n in range(1000)} | {b"after"}
        async with asyncio.timeout(SECONDS):
            while not read >= found:
                try:
                    read |= {record.value for record in (await consumer.poll(5000, 0.5)).records}
                except TryLater:
                    continue
        await log.close()

    async def test_closing_while_it_is_away_does_not_hang(self, guarded: KafkaCluster) -> None:
        log = await open_log(login(guarded, "closing"), "test")
        await log.append(EVENTS, [Message(b"k", b"v")])
        await log.consumer("g", [EVENTS])
        guarded.kill()
        try:
            waiting = asyncio.create_task(log.append(EVENTS, [Message(b"k", b"w")]))
            await asyncio.sleep(0)
            async with asyncio.timeout(SECONDS):
                await log.close()
            await asyncio.wait([waiting])
            assert isinstance(waiting.exception(), TryLater)
        finally:
            guarded.restart()

    @pytest.mark.slow
    async def test_brokers_of_three_killed_in_turn(self, three: KafkaCluster) -> None:
        log = await open_log(f"kafka://{three.bootstrap}", "test")
        acknowledged = 0
        for broker in range(3):
            for step in range(30):
                if step == 10:
                    three.kill(broker)
                if step == 20:
                    await asyncio.to_thread(three.restart, broker)
                batch = [Message(b"%d" % (n % 50), b"%d" % n) for n in range(acknowledged, acknowledged + 100)]
                await append_until_taken(log, batch)
                acknowledged += 100
        found = {int(record.value) for record in await everything(log)}
        assert found == set(range(acknowledged))
        await log.close()


class TestStaticMembers:
    async def test_one_that_restarts_has_its_partitions_back_at_once(self, kafka: str) -> None:
        address = f"kafka://{kafka}?prefix=static.&static=true"
        for _ in range(2):
            log = await open_log(address, "worker-1")
            consumer = await log.consumer("g", [EVENTS])
            async with asyncio.timeout(5):  # half of the session that a dynamic member would have to wait for
                assert len((await consumer.poll(10, 5)).assigned) == 4
            await log.close()


class TestTopics:
    async def test_products_are_kept_and_time_is_that_of_appending(self, kafka: str) -> None:
        log = await open_log(f"kafka://{kafka}?prefix=settings.", "test")
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            wanted = [ConfigResource(ConfigResourceType.TOPIC, f"settings.{topic}") for topic in (EVENTS, PRODUCTS)]
            found = {}
            for answer in await admin.describe_configs(wanted):
                for resource in answer.resources:
                    found[resource[3]] = {entry[0]: entry[1] for entry in resource[4]}
        finally:
            await admin.close()
        assert found["settings.products"]["retention.ms"] == "-1"
        assert {config["message.timestamp.type"] for config in found.values()} == {"LogAppendTime"}
        await log.close()

    async def test_two_processes_make_the_topics_at_once(self, kafka: str) -> None:
        logs = await asyncio.gather(*(open_log(f"kafka://{kafka}?prefix=race.", f"n{n}") for n in range(3)))
        assert len({await log.identity() for log in logs}) == 1
        for log in logs:
            await log.close()

    async def test_a_topic_made_again_is_another_log(self, kafka: str) -> None:
        address = f"kafka://{kafka}?prefix=again."
        log = await open_log(address, "test")
        before = await log.identity()
        await log.close()
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
        await admin.start()
        try:
            await admin.delete_topics(["again.events"])
            async with asyncio.timeout(SECONDS):
                while "again.events" in await admin.list_topics():
                    await asyncio.sleep(0.05)
        finally:
            await admin.close()
        log = await open_log(address, "test")
        assert await log.identity() != before
        await log.append(EVENTS, [Message(b"k", b"v")])
        await log.close()


class TestAddress:
    @pytest.mark.parametrize(
        ("address", "said"),
        [
            ("kafka://localhost", "write it as kafka://host:9092"),
            ("kafka://host:9092?acks=1", "unknown parameter 'acks'"),
            ("kafka://u:hidden@host:9092?security=SLS", "security=SLS; it is one of PLAINTEXT"),
            ("kafka://u:hidden@host:9092?mechanism=MD5", "mechanism=MD5"),
            ("kafka://host:9092?security=SASL_SSL", "SASL needs a user"),
            ("kafka://u:hidden@host:9092?ca=/nowhere", "ca file /nowhere"),
            ("kinesis://eu-west-1/stream", "unknown kind"),
        ],
    )
    async def test_a_wrong_one_says_how_to_mend_it(self, address: str, said: str) -> None:
        with pytest.raises(Misconfigured) as told:
            await open_log(address, "test")
        assert said in str(told.value)
        assert "hidden" not in str(told.value)
