"""The records file: every record of every topic, in one table ordered by partition and offset.

``place`` packs the partition's number (upper bits) and the offset (lower 40 bits) into SQLite's row number, so that a
partition lies together and reading it is one range scan.
"""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from zlib import crc32

from ingestion.transports.embedded.database import connect, create_database, sqlite_errors, write_transaction
from ingestion.transports.log import PARTITIONS, TOPICS, Message, Record, TopicPartition

_APPLICATION_ID: Final = 0x53464C52  # "SFLR"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE log (identity TEXT NOT NULL);
CREATE TABLE partition (
    number INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    UNIQUE (topic, partition)
);
CREATE TABLE record (
    place INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL
)
"""
_OFFSET_BITS: Final = 40
_OFFSET_MASK: Final = (1 << _OFFSET_BITS) - 1
_READ_ROWS: Final = 500
MAX_READ_BYTES: Final = 32 * 1024 * 1024
"""Where one read stops, however many records were asked for."""
_CHECKPOINT_PAGES: Final = 1000
_PRUNE_ROWS: Final = 5_000
"""Records deleted in one transaction, so that pruning never holds an append up for long."""


class RecordsFile:
    """One connection to the records file. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = connect(path)
        # Checkpoints are run by `checkpoint`, after the appends they would have delayed are acknowledged.
        self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        with sqlite_errors(path):
            rows = self._connection.execute("SELECT topic, partition, number FROM partition").fetchall()
            self.identity: str = self._connection.execute("SELECT identity FROM log").fetchone()[0]
        self._numbers = {TopicPartition(topic, partition): number for topic, partition, number in rows}
        self.partitions = {topic: sum(1 for place in self._numbers if place.topic == topic) for topic in TOPICS}

    @staticmethod
    def create(path: Path, partitions: int = PARTITIONS) -> None:
        """Make the file with ``partitions`` partitions a topic, unless it is there."""
        create_database(path, _APPLICATION_ID, _VERSION, _SCHEMA)
        connection = connect(path)
        with sqlite_errors(path):
            try:
                with write_transaction(connection):
                    if not connection.execute("SELECT count(*) FROM log").fetchone()[0]:
                        connection.execute("INSERT INTO log VALUES (?)", (uuid.uuid4().hex,))
                        connection.executemany(
                            "INSERT INTO partition (topic, partition, next_offset) VALUES (?, ?, 0)",
                            [(topic, partition) for topic in TOPICS for partition in range(partitions)],
                        )
            finally:
                connection.close()

    def append(self, batches: Iterable[tuple[str, Sequence[Message]]], timestamp_ms: int) -> dict[TopicPartition, int]:
        """Add all messages in one transaction; all or none. Gives the new end offsets of the partitions touched."""
        lanes: dict[TopicPartition, list[Message]] = {}
        for topic, messages in batches:
            count = self.partitions[topic]
            for message in messages:
                lanes.setdefault(TopicPartition(topic, crc32(message.key) % count), []).append(message)
        with sqlite_errors(self.path), write_transaction(self._connection):
            ends = self._ends()
            for lane, messages in lanes.items():
                first = (self._numbers[lane] << _OFFSET_BITS) + ends[lane]
                self._connection.executemany(
                    "INSERT INTO record VALUES (?, ?, ?, ?)",
                    [
                        (place, timestamp_ms, message.key, message.value)
                        for place, message in enumerate(messages, first)
                    ],
                )
                ends[lane] += len(messages)
            self._connection.executemany(
                "UPDATE partition SET next_offset = ? WHERE number = ?",
                [(ends[lane], self._numbers[lane]) for lane in lanes],
            )
        return {lane: ends[lane] for lane in lanes}

    def checkpoint(self) -> None:
        """Move the write-ahead log into the file once it is long; never waits for readers or writers."""
        wal = self.path.with_name(self.path.name + "-wal")
        if wal.stat().st_size > _CHECKPOINT_PAGES * 4096:
            with sqlite_errors(self.path):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def read(
        self, positions: Mapping[TopicPartition, int], max_records: int
    ) -> tuple[list[Record], dict[TopicPartition, int]]:
        """Up to ``max_records`` records from the given positions on, and the positions to go on from.

        The partition with the least backlog comes first, so that what it leaves of its share goes to the longer ones.
        """
        records: list[Record] = []
        following = dict(positions)
        with sqlite_errors(self.path):
            self._connection.execute("BEGIN")
            try:
                ends = self._ends()
                waiting = sorted(
                    (ends[lane] - offset, lane) for lane, offset in positions.items() if offset < ends[lane]
                )
                size = 0
                for served, (_, lane) in enumerate(waiting):
                    share = -(-(max_records - len(records)) // (len(waiting) - served))
                    found, size = self._read_lane(lane, following[lane], share, size)
                    records += found
                    # A short answer may mean pruned records: then the end, read in this snapshot, is where to go on.
                    exhausted = len(found) < share and size < MAX_READ_BYTES
                    following[lane] = ends[lane] if exhausted else found[-1].offset + 1 if found else following[lane]
                    if size >= MAX_READ_BYTES or len(records) >= max_records:
                        break
            finally:
                self._connection.execute("COMMIT")
        return records, following

    def _read_lane(self, lane: TopicPartition, offset: int, limit: int, size: int) -> tuple[list[Record], int]:
        topic, partition = lane
        number = self._numbers[lane]
        cursor = self._connection.execute(
            "SELECT place & ?, timestamp_ms, key, value FROM record "
            "WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
            (_OFFSET_MASK, (number << _OFFSET_BITS) + offset, (number + 1) << _OFFSET_BITS, limit),
        )
        records: list[Record] = []
        while size < MAX_READ_BYTES and (rows := cursor.fetchmany(_READ_ROWS)):
            records += [Record(topic, partition, at, when, key, value) for at, when, key, value in rows]
            size += sum(len(row[3]) for row in rows)
        cursor.close()
        return records, size

    def ends(self) -> dict[TopicPartition, int]:
        """The next offset of every partition."""
        with sqlite_errors(self.path):
            return self._ends()

    def _ends(self) -> dict[TopicPartition, int]:
        rows = self._connection.execute("SELECT topic, partition, next_offset FROM partition").fetchall()
        return {TopicPartition(topic, partition): end for topic, partition, end in rows}

    def data_version(self) -> int:
        """A number that changes whenever another connection, of any process, has committed."""
        with sqlite_errors(self.path):
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return version

    def prune(self, lane: TopicPartition, before_offset: int, before_ms: int) -> int:
        """Remove the records of a partition below the offset and older than the time; gives how many."""
        first = self._numbers[lane] << _OFFSET_BITS
        removed = 0
        with sqlite_errors(self.path):
            self._connection.execute("PRAGMA secure_delete = ON")  # what is pruned is a customer's data
            while True:
                with write_transaction(self._connection):
                    chunk = self._connection.execute(
                        "DELETE FROM record WHERE place IN "
                        "(SELECT place FROM record WHERE place >= ? AND place < ? ORDER BY place LIMIT ?) "
                        "AND timestamp_ms < ?",
                        (first, first + before_offset, _PRUNE_ROWS, before_ms),
                    ).rowcount
                removed += chunk
                if chunk < _PRUNE_ROWS:
                    return removed
                self.checkpoint()
                time.sleep(0)  # lets a waiting writer have the lock

    def close(self) -> None:
        self._connection.close()
