"""Brings the lake up to what the log holds now, for a command that reads the lake and may run without any worker."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from ingestion.sinks.lake import Lake, Source
from ingestion.stream.lake_group import DESTINATIONS, LakeGroup
from ingestion.transports.log import EventLog

LOOK_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 60.0
"""Without any progress for so long, the rest is left to the workers."""

log = logging.getLogger(__name__)


async def catch_up(
    event_log: EventLog,
    lake: Lake,
    member: LakeGroup,
    grace_seconds: float,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Return once the lake has every record that the log held at the start; how many were missing.

    Workers that run are left to it. Where the lake makes no progress for ``grace_seconds``, nobody is at work and
    ``member`` joins the group until it is done. ``progress`` is told (records done, records in all).
    Raises TryLater when log or lake cannot be read.
    """
    ends = {topic: await event_log.end_offsets(topic) for topic in DESTINATIONS}
    log_id = await event_log.identity()

    def count_missing() -> int:
        missing = 0
        for topic, end in ends.items():
            stored = lake.offsets(DESTINATIONS[topic].table, Source(log_id, topic), list(end))
            missing += sum(max(0, offset - stored.get(partition, 0)) for partition, offset in end.items())
        return missing

    total = await asyncio.to_thread(count_missing)

    async def filled(patience: float) -> bool:
        """Watch until nothing is missing; False when nothing moved for ``patience`` seconds."""
        left, idle = total, 0.0
        while left and idle < patience:
            await asyncio.sleep(LOOK_SECONDS)
            before, left = left, await asyncio.to_thread(count_missing)
            idle = 0.0 if left < before else idle + LOOK_SECONDS
            if progress is not None:
                progress(total - left, total)
        return not left

    if not total or await filled(grace_seconds):
        return total
    stop = asyncio.Event()
    working = asyncio.create_task(member.run(stop))
    if not await filled(PATIENCE_SECONDS):
        log.warning("some of the %s records that the log holds are not in the lake yet", f"{total:,}")
    stop.set()
    await working
    return total
