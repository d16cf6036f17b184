"""Membership of the embedded log, with a clock that the tests turn."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from ingestion.transports.embedded.groups import GroupsFile, Moves, fair_moves
from ingestion.transports.log import TopicPartition

LEASE = 5.0
LANES = [TopicPartition("events", partition) for partition in range(4)]


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def groups(tmp_path: Path, clock: Clock) -> Iterator[GroupsFile]:
    GroupsFile.create(tmp_path / "groups.db")
    groups = GroupsFile(tmp_path / "groups.db", clock, LEASE)
    yield groups
    groups.close()


def holds(groups: GroupsFile, member: int) -> set[int]:
    held = groups.balance("g", member)
    assert held is not None
    return {lane.partition for lane in held}


class TestFairMoves:
    @pytest.mark.parametrize("members", [1, 2, 3, 4, 5, 7])
    def test_members_that_move_in_turn_come_to_an_even_share(self, members: int) -> None:
        lanes = [TopicPartition(topic, partition) for topic in ("events", "products") for partition in range(4)]
        readers = dict.fromkeys(range(members), ("events", "products"))
        holders: dict[TopicPartition, int | None] = dict.fromkeys(lanes, 0)
        for _ in range(2):
            for me in readers:
                moves = fair_moves(me, readers, holders, frozenset())
                holders |= dict.fromkeys(moves.release) | dict.fromkeys(moves.take, me)
        shares = [sum(holder == me for holder in holders.values()) for me in readers]
        assert None not in holders.values()
        assert max(shares) - min(shares) <= 1
        assert not any(fair_moves(me, readers, holders, frozenset()) for me in readers)

    def test_a_member_takes_only_topics_it_reads(self) -> None:
        lanes = [*LANES, TopicPartition("products", 0)]
        moves = fair_moves(1, {1: ("products",), 2: ("events",)}, dict.fromkeys(lanes), frozenset())
        assert moves == Moves(take=frozenset({TopicPartition("products", 0)}))

    def test_what_a_vanished_member_held_is_free(self) -> None:
        assert fair_moves(1, {1: ("events",)}, dict.fromkeys(LANES, 99), frozenset()).take == set(LANES)


class TestLeases:
    def test_a_silent_member_keeps_its_partitions_until_its_lease_is_over(
        self, groups: GroupsFile, clock: Clock
    ) -> None:
        silent = groups.join("g", "silent", LANES)
        assert holds(groups, silent) == {0, 1, 2, 3}
        heir = groups.join("g", "heir", LANES)
        clock.now += LEASE - 1
        groups.renew(heir)
        assert holds(groups, heir) == set()
        clock.now += 2
        groups.renew(heir)
        assert holds(groups, heir) == {0, 1, 2, 3}
        assert groups.balance("g", silent) is None, "it must join again"

    def test_one_that_renews_keeps_them(self, groups: GroupsFile, clock: Clock) -> None:
        member, other = groups.join("g", "a", LANES), groups.join("g", "b", LANES)
        for _ in range(10):
            clock.now += LEASE - 1
            groups.renew(member)
            groups.renew(other)
            holds(groups, member)
            assert len(holds(groups, other)) in (0, 2)
        assert holds(groups, member) | holds(groups, other) == {0, 1, 2, 3}

    def test_a_clock_set_back_does_not_make_a_dead_member_immortal(self, groups: GroupsFile, clock: Clock) -> None:
        dead = groups.join("g", "dead", LANES)
        holds(groups, dead)
        clock.now -= 86400
        heir = groups.join("g", "heir", LANES)
        assert holds(groups, heir) == {0, 1, 2, 3}

    def test_leaving_frees_at_once(self, groups: GroupsFile) -> None:
        first, second = groups.join("g", "a", LANES), groups.join("g", "b", LANES)
        holds(groups, first)
        groups.leave(first)
        assert holds(groups, second) == {0, 1, 2, 3}

    def test_groups_do_not_know_each_other(self, groups: GroupsFile) -> None:
        member, other = groups.join("g", "a", LANES), groups.join("h", "a", LANES)
        assert holds(groups, member) == {0, 1, 2, 3}
        assert set(groups.balance("h", other) or ()) == set(LANES)


class TestCommits:
    def test_a_successor_starts_where_the_group_committed(self, groups: GroupsFile) -> None:
        member = groups.join("g", "a", LANES)
        held = groups.balance("g", member) or {}
        groups.commit("g", member, {LANES[1]: (held[LANES[1]].epoch, 17)})
        groups.leave(member)
        heir = groups.balance("g", groups.join("g", "b", LANES)) or {}
        assert [heir[lane].next_offset for lane in LANES] == [0, 17, 0, 0]

    def test_a_member_that_got_a_partition_back_cannot_commit_from_before(
        self, groups: GroupsFile, clock: Clock
    ) -> None:
        member = groups.join("g", "a", LANES)
        before = groups.balance("g", member) or {}
        other = groups.join("g", "b", LANES)
        holds(groups, member)
        moved = groups.balance("g", other) or {}
        lane = next(iter(moved))
        groups.commit("g", other, {lane: (moved[lane].epoch, 50)})
        groups.leave(other)
        again = groups.balance("g", member) or {}
        groups.commit("g", member, {lane: (before[lane].epoch, 3)})
        assert again[lane].epoch > before[lane].epoch
        assert (groups.balance("g", member) or {})[lane].next_offset == 50

    def test_the_epoch_grows_with_every_change_of_hands(self, groups: GroupsFile) -> None:
        epochs = []
        for _ in range(4):
            member = groups.join("g", "a", LANES)
            epochs.append((groups.balance("g", member) or {})[LANES[0]].epoch)
            groups.leave(member)
        assert all(earlier < later for earlier, later in pairwise(epochs))

    def test_the_lowest_commit_of_all_groups(self, groups: GroupsFile) -> None:
        for group, offset in (("fast", 90), ("slow", 40)):
            member = groups.join(group, "a", LANES)
            held = groups.balance(group, member) or {}
            groups.commit(group, member, {LANES[0]: (held[LANES[0]].epoch, offset)})
        assert groups.committed_by_all()[LANES[0]] == 40
        assert groups.committed_by_all()[LANES[1]] == 0
