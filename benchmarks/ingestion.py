"""What an event costs the stream workers: events per core-second of ``shopfloor work``, log to lake and to features.

    python -m benchmarks.ingestion [--events 300000] [--json OUT]

The worker's own CPU time is read between two points at which it has caught up with the log: after a warm-up, and after
the events that count. Start-up is left out; fetching, validating, dead-lettering, dropping repeats, writing and
committing are in. The events are the demo shop's, told again with new ids and as if they happened today.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.figures import Figure, report, skipped
from benchmarks.machinery import Absent, clean_environ, cpu_seconds, kafka, progress, redis, shopfloor
from feature_repo.activity import Activity
from feature_repo.opening import open_online_features
from ingestion.contracts.event import ReceivedEvent
from ingestion.contracts.parse import read_event, to_log
from ingestion.sinks.lake import Lake
from ingestion.transports.log import EVENTS, EventLog, Message
from ingestion.transports.opening import open_log
from shopfloor.demo.arrival import in_the_lake
from shopfloor.demo.shop import DemoShop

SEED = 7
BATCH = 5_000
TARGET = 50_000
PATIENCE_SECONDS = 300
SENTINELS = 64
"""So many customers are in every partition; when all show the last click, all before it is folded too."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000, help="to the lake; a tenth of it to the features")
    parser.add_argument("--warm-up", type=int, default=20_000)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    figures = asyncio.run(measure(arguments.events, arguments.warm_up))
    return report("Stream workers, events per core-second", figures, arguments.json)


async def measure(events: int, warm_up: int) -> list[Figure]:
    stream = Stream(datetime.now(UTC))
    figures = []
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder, ExitStack() as servers:
        place = Path(folder)
        try:
            broker, store = servers.enter_context(kafka(place)), servers.enter_context(redis(place))
        except Absent as reason:
            figures.append(skipped("Kafka to lake", str(reason)))
        else:
            # The features first: a new group reads a log from its start, and that of the lake is ten times as long.
            rate = await to_features(broker, store, place / "features", stream, warm_up // 10, events // 10)
            figures.append(Figure("Kafka to features on Redis", rate, "events/core-s"))
            rate = await to_lake(broker, place / "kafka-lake", stream, warm_up, events)
            figures.append(Figure("Kafka to lake", rate, "events/core-s", TARGET, at_least=True))
        embedded = place / "embedded"
        log, store = str(embedded / "log"), str(embedded / "online.db")
        rate = await to_features(log, store, embedded, stream, warm_up // 10, events // 10)
        figures.append(Figure("embedded log to features on SQLite", rate, "events/core-s"))
        rate = await to_lake(log, embedded, stream, warm_up, events // 3)
        figures.append(Figure("embedded log to lake", rate, "events/core-s"))
    return figures


class Stream:
    """The demo shop's events without end."""

    def __init__(self, now: datetime) -> None:
        read = [read_event(told.value, now) for told in DemoShop.create(SEED).events(now)]
        valid = [event for event in read if isinstance(event, ReceivedEvent)]
        self._events = [
            _today(event, now - timedelta(hours=1) * (1 - place / len(valid))) for place, event in enumerate(valid)
        ]
        self._told = 0

    def batches(self, count: int) -> Iterator[list[Message]]:
        for start in range(self._told, self._told + count, BATCH):
            numbers = range(start, min(start + BATCH, self._told + count))
            yield [self._message(number) for number in numbers]
        self._told += count

    def _message(self, number: int) -> Message:
        turn, place = divmod(number, len(self._events))
        key, value = self._events[place]
        return Message(key, value.replace(b'"event_id":"', b'"event_id":"%d-' % turn, 1))


def _today(event: ReceivedEvent, time: datetime) -> tuple[bytes, bytes]:
    value = event.model_copy(update={"event_time": time, "received_at": time + (event.received_at - event.event_time)})
    return event.customer_key.encode(), to_log(value)


async def to_lake(address: str, data: Path, stream: Stream, warm_up: int, events: int) -> float:
    log = await open_log(address, "bench")
    lake = Lake(str(data / "lake"))

    async def all_there() -> None:
        await in_the_lake(log, lake, lambda _: None)

    try:
        return await _rate(
            "lake", log, clean_environ(data=str(data), events=address), stream, warm_up, events, all_there
        )
    finally:
        await log.close()


async def to_features(address: str, store: str, data: Path, stream: Stream, warm_up: int, events: int) -> float:
    log = await open_log(address, "bench")
    online = open_online_features(store, data)

    async def all_there() -> None:
        keys, event_id = await _sentinels(log)
        while True:
            activities = await asyncio.to_thread(online.read_activity, keys)
            if all(_has(activities.get(key), event_id) for key in keys):
                return
            await asyncio.sleep(0.1)

    environ = clean_environ(data=str(data), events=address, online=store)
    try:
        return await _rate("features", log, environ, stream, warm_up, events, all_there)
    finally:
        await online.close()
        await log.close()


async def _sentinels(log: EventLog) -> tuple[list[str], str]:
    """One click, now, of each sentinel: their keys, and the id of the click."""
    now = datetime.now(UTC)
    click = ReceivedEvent.model_validate(
        {
            "event_id": f"sentinel-{now.timestamp()}",
            "event_name": "view_item",
            "event_time": now,
            "received_at": now,
            "user_id": "sentinel",
            "items": [{"item_id": "sentinel"}],
        }
    )
    clicks = [click.model_copy(update={"user_id": f"sentinel-{number}"}) for number in range(SENTINELS)]
    await log.append(EVENTS, [Message(each.customer_key.encode(), to_log(each)) for each in clicks])
    return [each.customer_key for each in clicks], click.event_id


def _has(activity: Activity | None, event_id: str) -> bool:
    return activity is not None and any(interaction.event_id == event_id for interaction in activity.interactions)


async def _rate(
    group: str,
    log: EventLog,
    environ: dict[str, str],
    stream: Stream,
    warm_up: int,
    events: int,
    all_there: Callable[[], Awaitable[None]],
) -> float:
    """Events per core-second of a worker of this group."""
    logs = Path(environ["SHOPFLOOR_DATA"]) / "logs"
    with shopfloor("work", "--group", group, environ=environ, logs=logs) as worker:
        for count in (warm_up, events):
            progress(f"{environ['SHOPFLOOR_EVENTS'][:8]}… to {group}: {count:,} events")
            before = cpu_seconds(worker)
            for batch in stream.batches(count):
                await log.append(EVENTS, batch)
            async with asyncio.timeout(PATIENCE_SECONDS):
                await all_there()
        return events / (cpu_seconds(worker) - before)


if __name__ == "__main__":
    sys.exit(main())
