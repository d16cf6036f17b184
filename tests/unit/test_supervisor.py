"""The supervisor: when what is started, and what a failure leads to. Real processes are in integration/test_up.py."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from feature_repo.errors import Conflict, Misconfigured, Refused
from shopfloor.claims import claimed_folder
from shopfloor.supervisor import LONGEST_PAUSE, Job, Service, Supervisor, pause_after

HOUR = 3600.0


@dataclass(slots=True)
class Rehearsal(Supervisor):
    """Starts nothing: notes what would have run, and ends each command with the exit code that the test wants."""

    codes: dict[str, int] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stop_after: int = 0

    async def run_once(self, name: str, arguments: Sequence[str]) -> int:
        self.ran.append(arguments[0])
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if len(self.ran) == self.stop_after:
            self.stop.set()
        return self.codes.get(arguments[0], 0)


MATERIALIZE = Job("materialize", (("materialize",),), HOUR)
TRAIN = Job("train", (("train",), ("promote",)), 24 * HOUR)


def rehearsal(state: Path, stop_after: int, *, jobs: Sequence[Job] = (MATERIALIZE, TRAIN), at: float = 1e9,
              services: Sequence[Service] = (), codes: dict[str, int] | None = None) -> Rehearsal:  # fmt: skip
    return Rehearsal(
        services=services,
        jobs=jobs,
        environ={},
        state=state,
        retry_seconds=0.0,
        now=lambda: at,
        codes=codes or {},
        stop_after=stop_after,
    )


class TestJobs:
    async def test_run_at_the_first_start_one_after_the_other(self, tmp_path: Path) -> None:
        supervisor = rehearsal(tmp_path, stop_after=3)
        await supervisor.run(supervisor.stop)
        assert supervisor.ran == ["materialize", "train", "promote"]
        assert supervisor.most_at_once == 1

    async def test_that_succeeded_lately_wait_for_their_time_after_a_restart(self, tmp_path: Path) -> None:
        first = rehearsal(tmp_path, stop_after=3)
        await first.run(first.stop)
        second = rehearsal(tmp_path, stop_after=1, at=1e9 + 2 * HOUR)
        await second.run(second.stop)
        assert second.ran == ["materialize"]

    async def test_that_fail_are_tried_again_and_not_remembered(self, tmp_path: Path) -> None:
        supervisor = rehearsal(tmp_path, stop_after=3, jobs=[TRAIN], codes={"train": 66})
        await supervisor.run(supervisor.stop)
        assert len(supervisor.ran) >= 3
        assert set(supervisor.ran) == {"train"}
        again = rehearsal(tmp_path, stop_after=2, jobs=[TRAIN])
        await again.run(again.stop)
        assert again.ran == ["train", "promote"]

    async def test_that_a_gate_refused_wait_for_their_time_like_done_ones(self, tmp_path: Path) -> None:
        supervisor = rehearsal(tmp_path, stop_after=2, jobs=[TRAIN], codes={"promote": Refused.exit_code})
        await supervisor.run(supervisor.stop)
        await asyncio.sleep(0)
        assert supervisor.ran == ["train", "promote"]


class TestServices:
    async def test_one_that_says_its_settings_cannot_work_stops_everything(self, tmp_path: Path) -> None:
        supervisor = rehearsal(
            tmp_path,
            stop_after=-1,
            jobs=[],
            services=[Service("serve", ("serve",))],
            codes={"serve": Misconfigured.exit_code},
        )
        with pytest.raises(Misconfigured, match="serve"):
            await supervisor.run(supervisor.stop)

    def test_one_that_keeps_failing_is_started_less_and_less_often(self) -> None:
        pauses = [pause_after(failures) for failures in range(1, 12)]
        assert pauses[:4] == [0.5, 1.0, 2.0, 4.0]
        assert pauses == sorted(pauses)
        assert pauses[-1] == LONGEST_PAUSE


class TestTheDataFolder:
    def test_belongs_to_one_at_a_time(self, tmp_path: Path) -> None:
        with (
            claimed_folder(tmp_path / "new"),
            pytest.raises(Conflict, match="already runs"),
            claimed_folder(tmp_path / "new"),
        ):
            pass

    def test_is_free_again_afterwards_though_the_lock_file_stays(self, tmp_path: Path) -> None:
        with claimed_folder(tmp_path):
            pass
        with claimed_folder(tmp_path):
            pass

    def test_that_cannot_be_made_is_told_with_the_setting_to_change(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(Misconfigured, match="SHOPFLOOR_DATA"), claimed_folder(tmp_path / "file" / "data"):
            pass
