"""The groups file: who reads in which consumer group, which partitions each member holds, what was committed.

A member lives as long as it renews its lease. Each member, when it looks, removes members whose lease is over, gives
back what it holds beyond its fair share, and takes what nobody holds. Holding has an epoch that grows with every
change of hands; a commit counts only from the member and epoch that hold the partition now, so a member that was away
too long cannot rewind its successor.

It is a file of its own so that committing offsets never delays an append.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from ingestion.transports.embedded.database import connect, create_database, sqlite_errors, write_transaction
from ingestion.transports.log import TopicPartition

_APPLICATION_ID: Final = 0x53464C47  # "SFLG"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE member (
    member_id INTEGER PRIMARY KEY AUTOINCREMENT, group_name TEXT NOT NULL, client_id TEXT NOT NULL,
    topics TEXT NOT NULL, renewed_ms INTEGER NOT NULL
);
CREATE TABLE progress (
    group_name TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL, member_id INTEGER, epoch INTEGER NOT NULL,
    PRIMARY KEY (group_name, topic, partition)
) WITHOUT ROWID
"""
LEASE_SECONDS: Final = 5.0


class Holding(NamedTuple):
    """One partition in a member's hands."""

    epoch: int
    next_offset: int
    """Where the group had committed to when the partition was taken."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What one member has to change so that every partition is held, evenly, by live members."""

    expired: frozenset[int] = frozenset()
    release: frozenset[TopicPartition] = frozenset()
    take: frozenset[TopicPartition] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.expired or self.release or self.take)


def fair_moves(
    me: int,
    readers: Mapping[int, Collection[str]],
    holders: Mapping[TopicPartition, int | None],
    expired: frozenset[int],
) -> Moves:
    """``readers``: live member to its topics, me among them. ``holders``: partition to the member that holds it.

    Each topic is shared evenly; who gets one partition more goes round from topic to topic.
    """
    release: set[TopicPartition] = set()
    take: set[TopicPartition] = set()
    dealt = 0
    for topic in sorted(readers[me]):
        sharing = sorted(member for member, topics in readers.items() if topic in topics)
        lanes = sorted(lane for lane in holders if lane.topic == topic)
        rank = (sharing.index(me) - dealt) % len(sharing)
        dealt += len(lanes)
        share = len(lanes) // len(sharing) + (rank < len(lanes) % len(sharing))
        mine = [lane for lane in lanes if holders[lane] == me]
        free = [lane for lane in lanes if holders[lane] is None or holders[lane] not in readers]
        release.update(mine[share:])
        take.update(free[: max(0, share - len(mine))])
    return Moves(expired, frozenset(release), frozenset(take))


class GroupsFile:
    """One connection to the groups file. For one thread at a time."""

    def __init__(self, path: Path, clock: Callable[[], float], lease_seconds: float = LEASE_SECONDS) -> None:
        self.path = path
        self._clock = clock
        self._lease_ms = int(lease_seconds * 1000)
        self._connection = connect(path)

    @staticmethod
    def create(path: Path) -> None:
        create_database(path, _APPLICATION_ID, _VERSION, _SCHEMA)

    def join(self, group: str, client_id: str, lanes: Sequence[TopicPartition]) -> int:
        """Become a member that reads these partitions' topics; gives the member's id, which is never used again."""
        topics = json.dumps(sorted({lane.topic for lane in lanes}))
        with sqlite_errors(self.path), write_transaction(self._connection):
            self._connection.executemany(
                "INSERT OR IGNORE INTO progress VALUES (?, ?, ?, 0, NULL, 0)",
                [(group, lane.topic, lane.partition) for lane in lanes],
            )
            member: int = self._connection.execute(
                "INSERT INTO member (group_name, client_id, topics, renewed_ms) VALUES (?, ?, ?, ?) "
                "RETURNING member_id",
                (group, client_id, topics, self._now()),
            ).fetchone()[0]
        return member

    def renew(self, member: int) -> None:
        with sqlite_errors(self.path):
            self._connection.execute("UPDATE member SET renewed_ms = ? WHERE member_id = ?", (self._now(), member))

    def balance(self, group: str, member: int) -> dict[TopicPartition, Holding] | None:
        """Make this member's moves and give what it then holds; None when its lease was lost and it must join again."""
        with sqlite_errors(self.path):
            moves = self._moves(group, member)
            if moves:
                with write_transaction(self._connection):
                    moves = self._moves(group, member)
                    if moves is not None:
                        self._make(group, member, moves)
            return None if moves is None else self._held(member)

    def commit(self, group: str, member: int, offsets: Mapping[TopicPartition, tuple[int, int]]) -> None:
        """Store partition -> (epoch, next offset), for those that this member still holds in that epoch."""
        with sqlite_errors(self.path), write_transaction(self._connection):
            self._connection.executemany(
                "UPDATE progress SET next_offset = ? "
                "WHERE group_name = ? AND topic = ? AND partition = ? AND member_id = ? AND epoch = ?",
                [(offset, group, *lane, member, epoch) for lane, (epoch, offset) in offsets.items()],
            )

    def leave(self, member: int) -> None:
        with sqlite_errors(self.path), write_transaction(self._connection):
            self._remove(member)

    def committed_by_all(self) -> dict[TopicPartition, int]:
        """For each partition that any group ever read, the lowest committed offset."""
        with sqlite_errors(self.path):
            rows = self._connection.execute("SELECT topic, partition, min(next_offset) FROM progress GROUP BY 1, 2")
            return {TopicPartition(topic, partition): offset for topic, partition, offset in rows}

    def data_version(self) -> int:
        """A number that changes whenever another connection, of any process, has committed."""
        with sqlite_errors(self.path):
            version: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return version

    def close(self) -> None:
        self._connection.close()

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _moves(self, group: str, me: int) -> Moves | None:
        now = self._now()
        members = self._connection.execute(
            "SELECT member_id, topics, renewed_ms FROM member WHERE group_name = ?", (group,)
        ).fetchall()
        holders = self._connection.execute(
            "SELECT topic, partition, member_id FROM progress WHERE group_name = ?", (group,)
        ).fetchall()
        # Both directions: a lease from the future, after the clock was set back, must not hold for ever.
        expired = frozenset(id_ for id_, _, renewed in members if abs(now - renewed) > self._lease_ms and id_ != me)
        readers = {id_: json.loads(topics) for id_, topics, _ in members if id_ not in expired}
        if me not in readers:
            return None
        return fair_moves(me, readers, {TopicPartition(t, p): holder for t, p, holder in holders}, expired)

    def _make(self, group: str, member: int, moves: Moves) -> None:
        for expired in moves.expired:
            self._remove(expired)
        for holder, lanes in ((None, moves.release), (member, moves.take)):
            self._connection.executemany(
                "UPDATE progress SET member_id = ?, epoch = epoch + 1 "
                "WHERE group_name = ? AND topic = ? AND partition = ?",
                [(holder, group, *lane) for lane in lanes],
            )

    def _held(self, member: int) -> dict[TopicPartition, Holding]:
        rows = self._connection.execute(
            "SELECT topic, partition, epoch, next_offset FROM progress WHERE member_id = ?", (member,)
        )
        return {TopicPartition(topic, partition): Holding(epoch, offset) for topic, partition, epoch, offset in rows}

    def _remove(self, member: int) -> None:
        self._connection.execute("UPDATE progress SET member_id = NULL WHERE member_id = ?", (member,))
        self._connection.execute("DELETE FROM member WHERE member_id = ?", (member,))
