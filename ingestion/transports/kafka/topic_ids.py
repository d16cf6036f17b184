"""The ids that a cluster gave its topics: a topic deleted and made again has another, and its offsets start anew.

aiokafka speaks older versions of the Metadata request, which do not tell them; version 10 (Kafka 2.8, 2021) does.
Its layout is that of https://kafka.apache.org/protocol.html.
"""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final
from uuid import UUID

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IncompatibleBrokerVersion, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from feature_repo.errors import Misconfigured

_METADATA: Final = 3
_VERSION: Final = 10
_ANY_ID: Final = UUID(int=0)


class _Uuid:
    @classmethod
    def encode(cls, value: UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> UUID:
        return UUID(bytes=data.read(16))


class _MetadataResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]  # aiokafka ships no types
    FLEXIBLE_VERSION = True
    API_KEY = _METADATA
    API_VERSION = _VERSION
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _METADATA

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics: list[Any] = [(_ANY_ID, topic, {}) for topic in topics]

    def build(self, request_struct_class: type[Any]) -> Any:
        return request_struct_class(self._topics, False, False, False, {})


async def topic_ids(admin: AIOKafkaAdminClient, topics: Sequence[str]) -> dict[str, UUID]:
    """Raises the KafkaError of a topic that is not there, Misconfigured when the broker is older than Kafka 2.8."""
    try:
        response = await admin._send_request(_MetadataRequest(topics))
    except (IncompatibleBrokerVersion, NotImplementedError) as error:
        raise Misconfigured("the Kafka of the address in `events` is older than 2.8; upgrade its brokers") from error
    found = {}
    for code, name, topic_id, *_ in response.topics:
        if code:
            raise for_code(code)(name)
        found[name] = topic_id
    return found
