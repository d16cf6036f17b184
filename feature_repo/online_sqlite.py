"""Feast's online rows on SQLite: the fast reader and the eraser. Writes go through Feast."""

import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from feature_repo.errors import Corrupt, Misconfigured, TryLater
from feature_repo.layout import VIEWS, View, entity_key, sqlite_table

BUSY_S: Final = 2.0
CHECKPOINT_TRIES: Final = 3


class SqliteRows:
    """Rows of Feast's SQLite online store, for any thread. A view that was never written reads as missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"online features cannot be kept in {path}: {error}; set SHOPFLOOR_DATA or SHOPFLOOR_ONLINE"
            ) from error
        with self._reasons():
            self._connection = sqlite3.connect(path, timeout=BUSY_S, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA secure_delete=ON")

    def read(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        """For each view and entity the features' bytes by name; empty where there is no row."""
        keys = [entity_key(view.join_key, key) for view, key in wanted]
        by_view: dict[str, list[bytes]] = defaultdict(list)
        for (view, _), key in zip(wanted, keys, strict=True):
            by_view[sqlite_table(view)].append(key)
        found: dict[tuple[str, bytes], dict[str, bytes]] = defaultdict(dict)
        for table, table_keys in by_view.items():
            for key, feature, value in self._select(table, table_keys):
                found[table, key][feature] = value
        return [found.get((sqlite_table(view), key), {}) for (view, _), key in zip(wanted, keys, strict=True)]

    async def read_async(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        """The same: readers of a WAL never wait for the writer, and a thread would cost more than the read."""
        return self.read(wanted)

    def stored_times(self, view: View, keys: Sequence[str]) -> dict[str, int]:
        """Nothing: this store lets the last write win whatever its time."""
        return {}

    def erase(self, join_key: str, keys: Sequence[str]) -> None:
        """Delete every view's rows of the entities and overwrite their bytes, in the file and in its log.

        Raises TryLater when a reader in another process kept the write-ahead log from being emptied; the rows are
        gone then, and a repeat removes what is left of their bytes.
        """
        erased = [(entity_key(join_key, key),) for key in keys]
        with self._lock, self._reasons():
            tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                for view in VIEWS:
                    if view.join_key == join_key and sqlite_table(view) in tables:
                        sql = f'DELETE FROM "{sqlite_table(view)}" WHERE entity_key = ?'  # noqa: S608  # our own name
                        self._connection.executemany(sql, erased)
            except sqlite3.Error:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
            for _ in range(CHECKPOINT_TRIES):  # each waits up to BUSY_S for readers
                (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if not busy:
                    return
        raise TryLater(f"the rows are deleted, but another process still reads the log of {self._path}; erase again")

    def check(self) -> str:
        with self._lock, self._reasons():
            self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return f"SQLite at {self._path}"

    async def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _select(self, table: str, keys: Sequence[bytes]) -> list[tuple[bytes, str, bytes]]:
        marks = ",".join("?" * len(keys))
        sql = f'SELECT entity_key, feature_name, value FROM "{table}" WHERE entity_key IN ({marks})'  # noqa: S608
        try:
            with self._lock, self._reasons():
                return self._connection.execute(sql, keys).fetchall()
        except _NoTable:
            return []

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """SQLite's errors in the words of ours."""
        try:
            yield
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                raise _NoTable from error
            raise TryLater(f"online features in {self._path} cannot be reached now: {error}") from error
        except sqlite3.DatabaseError as error:
            raise unreadable(self._path, error) from error


def unreadable(path: Path, error: sqlite3.DatabaseError) -> Corrupt:
    return Corrupt(
        f"{path} is no readable SQLite file ({error}); move it away, then run shopfloor materialize and "
        "restart the worker from the lake"
    )


class _NoTable(Exception):
    pass
