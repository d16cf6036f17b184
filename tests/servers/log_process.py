"""Another process that uses a log, to be killed: ``python -m tests.servers.log_process append|read ADDRESS``.

``append`` prints a number once that many messages (`{"n": 0}`, `{"n": 1}`, …) are acknowledged, until killed.
``read`` joins the group "killed", prints the offsets it gets as ``topic partition offset``, and never commits.
"""

import asyncio
import sys

from ingestion.transports.log import EVENTS, Message
from tests.servers.event_log import open_with_lease

LEASE_SECONDS = 3.0
BATCH = 20


async def append(address: str) -> None:
    log = await open_with_lease(address, "appending", LEASE_SECONDS)
    acknowledged = 0
    while True:
        numbers = range(acknowledged, acknowledged + BATCH)
        await log.append(EVENTS, [Message(b"u:%d" % (n % 7), b'{"n": %d}' % n) for n in numbers])
        acknowledged += BATCH
        print(acknowledged, flush=True)


async def read(address: str) -> None:
    log = await open_with_lease(address, "reading", LEASE_SECONDS)
    consumer = await log.consumer("killed", [EVENTS])
    while True:
        for record in (await consumer.poll(10, 0.1)).records:
            print(record.topic, record.partition, record.offset, flush=True)


if __name__ == "__main__":
    asyncio.run({"append": append, "read": read}[sys.argv[1]](sys.argv[2]))
