"""The log on Kafka: each topic of Shopfloor is a topic there, each group a consumer group."""

from collections.abc import Mapping, Sequence
from typing import Self

from feature_repo.errors import BadInput, TooLarge
from ingestion.transports.kafka.address import KafkaAddress
from ingestion.transports.kafka.appender import KafkaAppender
from ingestion.transports.kafka.consumer import SESSION_SECONDS, KafkaConsumer, KafkaTail, Reader
from ingestion.transports.kafka.topics import Cluster, prepare_topics
from ingestion.transports.log import MAX_RECORD_BYTES, TOPICS, Message, TopicPartition


class KafkaLog:
    """See ``ingestion.transports.log.EventLog``. Used from one event loop."""

    def __init__(self, address: KafkaAddress, client_id: str, cluster: Cluster, session_seconds: float) -> None:
        self._address = address
        self._client_id = client_id
        self._cluster = cluster
        self._session_seconds = session_seconds
        self._appender = KafkaAppender(address, client_id)
        self._readers: list[Reader] = []
        self._looker: Reader | None = None

    @classmethod
    async def open(cls, address: str, client_id: str, session_seconds: float = SESSION_SECONDS) -> Self:
        """Connect, and make the topics that are missing.

        A member of a group that is silent for ``session_seconds`` has its partitions taken over. Raises TryLater when
        no broker answers, Misconfigured when the address or the rights do not fit.
        """
        parsed = KafkaAddress.parse(address)
        return cls(parsed, client_id, await prepare_topics(parsed, client_id), session_seconds)

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        _require(topic)
        for message in messages:
            if (size := len(message.key) + len(message.value)) > MAX_RECORD_BYTES:
                raise TooLarge(f"a record for {topic} has {size} bytes, more than the {MAX_RECORD_BYTES} the log takes")
        if messages:
            await self._appender.append(topic, messages)

    async def consumer(self, group: str, topics: Sequence[str]) -> KafkaConsumer:
        for topic in topics:
            _require(topic)
        consumer = KafkaConsumer(self._address, self._client_id, group, topics, self._session_seconds)
        await consumer.start()
        self._readers.append(consumer)
        return consumer

    async def tail(self, topic: str, start: Mapping[int, int]) -> KafkaTail:
        lanes = self._lanes(topic)
        tail = await KafkaTail(self._address, self._client_id).start()
        self._readers.append(tail)
        tail.follow(lanes, start)
        return tail

    async def end_offsets(self, topic: str) -> dict[int, int]:
        ends = await self._ends(self._lanes(topic))
        return {lane.partition: end for lane, end in ends.items()}

    async def identity(self) -> str:
        return self._cluster.identity

    async def prune(self, keep_hours: float) -> dict[str, int]:
        return {}

    async def check(self) -> str:
        ends = await self._ends([lane for topic in TOPICS for lane in self._lanes(topic)])
        counts = [f"{sum(end for lane, end in ends.items() if lane.topic == topic):,} {topic}" for topic in TOPICS]
        return f"Kafka at {self._address.servers}, {self._cluster.brokers} broker(s): {', '.join(counts)}"

    async def close(self) -> None:
        """Send what was appended, leave every group, and disconnect."""
        for reader in self._readers:
            await reader.close()
        await self._appender.close()

    async def _ends(self, lanes: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        if self._looker is None:
            self._looker = await Reader(self._address, self._client_id).start()
            self._readers.append(self._looker)
        return await self._looker.ends(lanes)

    def _lanes(self, topic: str) -> list[TopicPartition]:
        _require(topic)
        return [TopicPartition(topic, partition) for partition in range(self._cluster.partitions[topic])]


def _require(topic: str) -> None:
    if topic not in TOPICS:
        raise BadInput(f"the log has no topic {topic!r}; it has {', '.join(TOPICS)}")
