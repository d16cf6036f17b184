"""Group commit to Kafka: appends of many callers travel as one batch for each partition.

Building batches ourselves costs a third of the CPU of one ``send()`` for each record (`benchmarks/`), and one group
in flight at a time keeps a partition's order. The producer is idempotent with ``acks=all``: a lost answer doubles
nothing, and what is acknowledged is on every in-sync replica.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.partitioner import murmur2

from feature_repo.errors import ShopfloorError, TryLater
from ingestion.transports.kafka.address import KafkaAddress, kafka_errors
from ingestion.transports.log import MAX_RECORD_BYTES, Message

APPEND_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 5.0
_BATCH_BYTES: Final = MAX_RECORD_BYTES + 1024
"""With its frame, what a broker takes as one batch with its default settings."""
_GROUP_MESSAGES: Final = 10_000

log = logging.getLogger(__name__)

_Work = tuple[str, Sequence[Message], "asyncio.Future[None]"]


@lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, partitions: int) -> int:
    """As Kafka's own clients choose it, so that other producers put a customer into the same partition."""
    number: int = (murmur2(key) & 0x7FFFFFFF) % partitions
    return number


class KafkaAppender:
    def __init__(self, address: KafkaAddress, client_id: str) -> None:
        self._address = address
        self._client_id = client_id
        self._queue: asyncio.Queue[_Work] = asyncio.Queue()
        self._producer: AIOKafkaProducer | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        if self._closing:
            raise TryLater("the log is closing; send again in a moment")
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((topic, messages, done))
        await done

    async def close(self) -> None:
        """Send what was appended, as far as Kafka takes it within CLOSE_SECONDS."""
        self._closing = True
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._queue.join()
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            while not self._queue.empty():
                _settle([self._queue.get_nowait()], TryLater("the log was closed before Kafka took the records"))
        await self._drop_producer()

    async def _run(self) -> None:
        while True:
            works = [await self._queue.get()]
            size = len(works[0][1])
            while size < _GROUP_MESSAGES and not self._queue.empty():
                works.append(self._queue.get_nowait())
                size += len(works[-1][1])
            error: BaseException | None = TryLater("the log was closed before Kafka took the records")
            try:
                await self._send(works)
                error = None
            except ShopfloorError as failure:
                error = failure
            except Exception as failure:  # whatever it is, every caller must hear of it and the task must live
                error = failure
            finally:
                _settle(works, error)
                for _ in works:
                    self._queue.task_done()

    async def _send(self, works: Sequence[_Work]) -> None:
        with kafka_errors(self._address):
            try:
                async with asyncio.timeout(APPEND_SECONDS):
                    producer = await self._opened()
                    lanes: dict[tuple[str, int], list[Message]] = {}
                    for topic, messages, _ in works:
                        name = self._address.prefix + topic
                        count = len(await producer.partitions_for(name))
                        for message in messages:
                            lanes.setdefault((name, partition_of(message.key, count)), []).append(message)
                    acknowledged = [future for lane in lanes.items() for future in await _send_lane(producer, *lane)]
                    await asyncio.gather(*acknowledged)
            except KafkaError:
                # After an error that is not repeated by itself the producer's sequence numbers may have a gap.
                await self._drop_producer()
                raise

    async def _opened(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                client_id=self._client_id, acks="all", enable_idempotence=True, compression_type="lz4",
                max_batch_size=_BATCH_BYTES, request_timeout_ms=int(APPEND_SECONDS * 1000),
                **self._address.client_options(),
            )  # fmt: skip
            try:
                await producer.start()
            except BaseException as error:
                await producer.stop()
                if isinstance(error, KafkaConnectionError):
                    raise (await self._address.unreachable()) from error
                raise
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await producer.stop()
        except (TimeoutError, KafkaError):
            await _abandon(producer)


async def _send_lane(
    producer: AIOKafkaProducer, lane: tuple[str, int], messages: Sequence[Message]
) -> list[asyncio.Future[Any]]:
    """Hand over a partition's messages in as few batches as hold them."""
    topic, partition = lane
    futures = []
    batch = producer.create_batch()
    for message in messages:
        if batch.append(key=message.key, value=message.value, timestamp=None) is None:
            futures.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=message.key, value=message.value, timestamp=None)
    futures.append(await producer.send_batch(batch, topic, partition=partition))
    return futures


async def _abandon(producer: AIOKafkaProducer) -> None:
    """Close a producer whose own stop() waits without end for a broker that is away.

    What it still holds was never acknowledged to anybody. First the sender must end, for it puts back what it could
    not send, then the batches are failed, so that nobody waits for them.
    """
    accumulator: Any = producer._message_accumulator
    with suppress(KafkaError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer._sender.close()
    accumulator.fail_all(TryLater("the log was closed before Kafka took the records"))
    with suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await producer.client.close()


def _settle(works: Sequence[_Work], error: BaseException | None) -> None:
    for _, _, done in works:
        if not done.done():
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
