"""From the lake to the online store: compute the tables, register the definitions, write the rows as of now.

The online rows are written from the published tables by Feast's provider, a batch at a time: Feast's own
``materialize`` loads a whole view at once. ``user_activity`` is not written here: online it belongs to the stream.
"""

import contextlib
import fcntl
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import duckdb
import redis

from feature_repo.batch import EVER, STEPS, LakeFiles, compute_features
from feature_repo.definitions import EVENT_TIMESTAMP
from feature_repo.errors import Conflict, Misconfigured, TryLater
from feature_repo.feast_noise import quiet
from feature_repo.layout import BATCH_VIEWS, View
from feature_repo.online_sqlite import unreadable
from feature_repo.store import EPOCH, OnlineRow, OnlineWriter, open_store
from feature_repo.tables import table_path

BATCH_ROWS: Final = 1000
MICROSECOND: Final = timedelta(microseconds=1)

Progress = Callable[[str, int, int], None]
"""Told the name of a step, how much of it is done and how much there is."""


def materialize(
    lake: LakeFiles,
    online_address: str,
    data: Path,
    now: datetime,
    since: datetime = EVER,
    progress: Progress = lambda step, done, total: None,
) -> dict[str, dict[str, int]]:
    """Bring the feature tables and the online store up to date; ``tables`` and ``online`` rows by view.

    Online, only what became known after ``since`` is written again. Safe to repeat, also after it was killed midway:
    every step replaces what is there. Raises Conflict when another run is at work on the same data folder, TryLater
    when the lake or the online store is away.
    """
    features_folder = data / "features"
    with _alone(data):
        done = iter(range(1, STEPS + 1))
        tables = compute_features(
            lake, features_folder, now, since, progress=lambda step: progress(f"compute {step}", next(done), STEPS)
        )
        with quiet(), _reachable(online_address):
            store, objects = open_store(online_address, data)
            store.apply(objects.objects())
            writer = OnlineWriter(store.config, objects)
            try:
                online = {view.name: _write(writer, view, features_folder, now, progress) for view in BATCH_VIEWS}
            finally:
                writer.close()
            for view in BATCH_VIEWS:
                registered = store.get_feature_view(view.name)
                store.registry.apply_materialization(registered, store.project, max(since, EPOCH), now)
    return {"tables": tables, "online": online}


def _write(writer: OnlineWriter, view: View, features_folder: Path, now: datetime, progress: Progress) -> int:
    """Write the view's rows as of now; how many."""
    path = str(table_path(features_folder, view))
    with contextlib.closing(duckdb.connect(":memory:")) as database:
        database.execute("SET TimeZone = 'UTC'")
        as_of_now = f"FROM read_parquet($path) WHERE {EVENT_TIMESTAMP} = $now"
        where = {"path": path, "now": now}
        counted = database.execute(f"SELECT count(*) {as_of_now}", where).fetchone()
        total = int(counted[0]) if counted else 0
        rows = database.execute(f"SELECT {view.join_key}, {', '.join(view.features)} {as_of_now}", where)
        done = 0
        while batch := rows.fetchmany(BATCH_ROWS):
            time_us = (now - EPOCH) // MICROSECOND
            writer.write(
                view,
                [OnlineRow(key, dict(zip(view.features, features, strict=True)), time_us) for key, *features in batch],
            )
            done += len(batch)
            progress(f"write {view.name}", done, total)
    return done


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the lock of the data folder; the system lets go of it when a run is killed."""
    path = data / "materialize.lock"
    try:
        data.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise Misconfigured(f"data folder {data} cannot be used: {error}; set SHOPFLOOR_DATA") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                f"another materialisation is at work on {data} (it holds {path}); wait for its end"
            ) from error
        yield


@contextlib.contextmanager
def _reachable(online_address: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.OperationalError, redis.RedisError) as error:
        where = online_address.rsplit("@", 1)[-1]
        raise TryLater(f"online features at {where} cannot be written now: {error}; run it again") from error
    except sqlite3.DatabaseError as error:
        raise unreadable(Path(online_address), error) from error
