"""One SQLite file of the embedded log: opened, known to be ours, its failures told as Shopfloor's errors.

Write-ahead log with ``synchronous=FULL``: a committed transaction survives ``kill -9`` and power loss, and readers
never wait for a writer.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from feature_repo.errors import Corrupt, Misconfigured, ShopfloorError, TryLater

BUSY_SECONDS: Final = 10.0
_RETRY_SECONDS: Final = 0.001


def create_database(path: Path, application_id: int, version: int, schema: str) -> None:
    """Make the file unless it is there; Misconfigured when what is there is not ours or from a newer version."""
    with sqlite_errors(path):
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            _when_free(connection, "PRAGMA journal_mode = WAL")
            with write_transaction(connection):
                found = connection.execute("PRAGMA application_id").fetchone()[0]
                if found == 0 and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    for statement in schema.split(";"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA application_id = {application_id}")
                    connection.execute(f"PRAGMA user_version = {version}")
                elif found != application_id:
                    raise Misconfigured(
                        f"{path} is a SQLite file but not one of Shopfloor's log; set `events` to another folder"
                    )
                elif (newer := connection.execute("PRAGMA user_version").fetchone()[0]) > version:
                    raise Misconfigured(
                        f"{path} has format {newer} and this Shopfloor reads up to {version}; upgrade Shopfloor"
                    )
        finally:
            connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that ``create_database`` made. For one thread at a time, any thread."""
    with sqlite_errors(path):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous = FULL")
        return connection


@contextmanager
def write_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Hold the file's only write lock; all or nothing.

    SQLite's own waiting backs off to 100 ms, so that a writer that pauses little starves the others: ours does not.
    """
    _when_free(connection, "BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Raise SQLite's failures as TryLater, Misconfigured or Corrupt, naming the file and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _told(error, path) from error


def _told(error: sqlite3.Error, path: Path) -> ShopfloorError | sqlite3.Error:
    told: ShopfloorError | sqlite3.Error = error
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            told = TryLater(f"the disk of {path} is full; free some space, then repeat", retry_after=5.0)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            told = TryLater(f"another program has held {path} locked for {BUSY_SECONDS:.0f} s; close it, then repeat")
        case sqlite3.SQLITE_IOERR:
            told = TryLater(f"{path} cannot be read or written ({error}); check the disk, its space and its limits")
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            told = Misconfigured(
                f"{path} cannot be opened for writing ({error}); give this user the right to write in {path.parent}, "
                "or set `events` to another folder"
            )
        case sqlite3.SQLITE_NOTADB:
            told = Misconfigured(f"{path} is not a file of Shopfloor's log; set `events` to another folder")
        case sqlite3.SQLITE_CORRUPT:
            told = Corrupt(f"{path} is damaged ({error}); restore it from a copy, or move it away to start a new log")
    return told


def _when_free(connection: sqlite3.Connection, statement: str) -> None:
    """Run a statement that fails at once while another process holds the lock, until it succeeds."""
    deadline = time.monotonic() + BUSY_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(statement)
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
