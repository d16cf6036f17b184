"""Watches the demo's events arrive: in the lake, and in the online features."""

import asyncio
from collections.abc import Callable
from typing import Final

from feature_repo.errors import TryLater
from feature_repo.online import OnlineFeatures
from ingestion.sinks.lake import Lake, Source
from ingestion.transports.log import EVENTS, EventLog
from shopfloor.demo.sending import Sent

LOOK_EVERY: Final = 0.3


async def in_the_lake(log: EventLog, lake: Lake, show: Callable[[int], None]) -> None:
    """Wait until the lake has every event of the log; ``show`` is told how many it has."""
    source = Source(await log.identity(), EVENTS)
    ends = await log.end_offsets(EVENTS)
    while True:
        reached = await asyncio.to_thread(_reached, lake, source, list(ends))
        show(sum(reached.values()))
        if all(reached.get(partition, 0) >= end for partition, end in ends.items()):
            return
        await asyncio.sleep(LOOK_EVERY)


async def in_the_features(online: OnlineFeatures, sent: Sent, show: Callable[[int], None]) -> None:
    """Wait until online features know what the sampled customers did last; ``show`` is told how many are."""
    waiting = {key: max(event.event_time for event in events) for key, events in sent.sampled.items()}
    total = len(waiting)
    while waiting:
        activities = await asyncio.to_thread(online.read_activity, list(waiting))
        for key, activity in activities.items():
            newest = activity.interactions[-1].time_us if activity.interactions else 0
            if newest >= int(waiting[key].timestamp() * 1_000_000):
                del waiting[key]
        show(total - len(waiting))
        await asyncio.sleep(LOOK_EVERY)


def _reached(lake: Lake, source: Source, partitions: list[int]) -> dict[int, int]:
    try:
        return lake.offsets(EVENTS, source, partitions)
    except TryLater:
        return {}
