"""Trying again for as long as it takes, without hammering what is down."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from feature_repo.errors import TryLater
from ingestion.stream.counters import StreamCounters

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0

log = logging.getLogger(__name__)


async def persistently(
    consume: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event, group: str, counters: StreamCounters
) -> None:
    """Run ``consume`` until it returns or ``stop`` is set; after a TryLater pause, ever longer, and run it again.

    A run that lasted longer than the longest pause starts the pauses anew.
    """
    pause = FIRST_PAUSE
    while not stop.is_set():
        started = asyncio.get_running_loop().time()
        try:
            await consume(stop)
            return
        except TryLater as error:
            counters.interruptions.labels(group).inc()
            if asyncio.get_running_loop().time() - started > LONGEST_PAUSE:
                pause = FIRST_PAUSE
            log.warning("%s group waits %.1f s: %s", group, pause, error)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            pause = min(2 * pause, LONGEST_PAUSE)
