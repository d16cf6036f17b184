"""The topics in Kafka: made when they are missing, left alone when somebody made them already."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from ingestion.transports.kafka.address import KafkaAddress, kafka_errors
from ingestion.transports.kafka.topic_ids import topic_ids
from ingestion.transports.log import KEPT_TOPICS, PARTITIONS, TOPICS

_MOST_REPLICAS: Final = 3
_SPREAD_SECONDS: Final = 15.0
_SPREAD_RETRY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Cluster:
    identity: str
    """Another one as soon as any topic was deleted and made again."""
    brokers: int
    partitions: Mapping[str, int]
    """Of each topic, under the name that the rest of Shopfloor knows."""


async def prepare_topics(address: KafkaAddress, client_id: str) -> Cluster:
    """Create what is missing; raises TryLater when no broker answers, Misconfigured when it refuses us."""
    admin = AIOKafkaAdminClient(client_id=client_id, **address.client_options())
    try:
        with kafka_errors(address):
            try:
                await admin.start()
            except KafkaConnectionError as error:
                raise (await address.unreachable()) from error
            described = await admin.describe_cluster()
            brokers = len(described["brokers"])
            there = set(await admin.list_topics())
            missing = [topic for topic in TOPICS if address.prefix + topic not in there]
            if missing:
                await _create(admin, [_new_topic(address.prefix, topic, brokers) for topic in missing])
            partitions = await _partitions(admin, address.prefix)
            ids = await topic_ids(admin, [address.prefix + topic for topic in TOPICS])
            identity = sha256(repr((described["cluster_id"], sorted(ids.items()))).encode()).hexdigest()[:32]
            return Cluster(identity, brokers, partitions)
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> None:
    response: Any = await admin.create_topics(topics)
    for _, code, *_ in response.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another process was faster
            raise error()


async def _partitions(admin: AIOKafkaAdminClient, prefix: str) -> dict[str, int]:
    """A topic just made is known to every broker only a moment later."""
    names = [prefix + topic for topic in TOPICS]
    async with asyncio.timeout(_SPREAD_SECONDS):
        while True:
            described = await admin.describe_topics(names)
            if all(topic["error_code"] == 0 and topic["partitions"] for topic in described):
                return {topic["topic"].removeprefix(prefix): len(topic["partitions"]) for topic in described}
            await asyncio.sleep(_SPREAD_RETRY_SECONDS)


def _new_topic(prefix: str, topic: str, brokers: int) -> NewTopic:
    """Time of appending, not of the event: replaying last year's events must not have them swept at once."""
    replicas = min(_MOST_REPLICAS, brokers)
    config = {
        "cleanup.policy": "delete",
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": str(max(1, replicas - 1)),
    }
    if topic in KEPT_TOPICS:
        config |= {"retention.ms": "-1", "retention.bytes": "-1"}
    return NewTopic(prefix + topic, PARTITIONS, replicas, topic_configs=config)
