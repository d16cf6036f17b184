"""What is interrupted goes on where it was, and counts once."""

from pathlib import Path

import pytest

from feature_repo.errors import Conflict, Corrupt, TryLater
from ingestion.importers.checkpoint import only_one, write_durably
from ingestion.importers.run import import_id_of
from tests.unit.importers.imports import VIEWS, MemoryLog, a_file, a_table, a_view, imported

VISITS = [a_view(n) for n in range(3500)]


class TestALogThatIsFull:
    async def test_it_says_how_far_it_came_and_the_next_run_goes_on(self, tmp_path: Path) -> None:
        path, log = a_file(tmp_path, VISITS), MemoryLog(room=2500)
        with pytest.raises(TryLater, match="2000 records of this import are in; the same command goes on") as full:
            await imported(a_table(path), log, tmp_path)
        assert full.value.details["sent"] == 2000
        log.room = None
        report = await imported(a_table(path), log, tmp_path)
        assert report["resumed_after"] == 2000
        assert report["accepted"] == {"events": 3500}
        sent = [e["user_id"] for e in log.records("events")]
        assert sorted(sent) == sorted(f"u{n}" for n in range(3500))

    async def test_a_batch_that_was_sent_but_not_noted_comes_out_the_same(self, tmp_path: Path) -> None:
        path, log = a_file(tmp_path, VISITS[:1500]), MemoryLog()
        await imported(a_table(path), log, tmp_path)
        first = log.topics["events"][:]
        checkpoint = tmp_path / "imports" / f"{import_id_of(a_table(path))}.json"
        text = checkpoint.read_text().replace('"complete": true', '"complete": false').replace("1500", "1000")
        checkpoint.write_text(text)
        await imported(a_table(path), log, tmp_path)
        assert log.topics["events"] == [*first, *first[1000:]]


class TestASecondRun:
    async def test_sends_nothing_and_shows_the_first_report(self, tmp_path: Path) -> None:
        path, log = a_file(tmp_path, VISITS[:10]), MemoryLog()
        first = await imported(a_table(path), log, tmp_path)
        second = await imported(a_table(path), log, tmp_path)
        assert second == first | {"already_complete": True}
        assert len(log.topics["events"]) == 10

    async def test_again_sends_the_same_event_ids(self, tmp_path: Path) -> None:
        path, log = a_file(tmp_path, VISITS[:10]), MemoryLog()
        await imported(a_table(path), log, tmp_path)
        await imported(a_table(path), log, tmp_path, again=True)
        ids = [e["event_id"] for e in log.records("events")]
        assert len(ids) == 20
        assert ids[:10] == ids[10:]
        assert len(set(ids)) == 10

    async def test_another_log_gets_everything(self, tmp_path: Path) -> None:
        path, other = a_file(tmp_path, VISITS[:10]), MemoryLog(name="other")
        await imported(a_table(path), MemoryLog(), tmp_path)
        await imported(a_table(path), other, tmp_path)
        assert len(other.topics["events"]) == 10

    async def test_another_mapping_is_another_import(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, VISITS[:10])
        assert import_id_of(a_table(path)) != import_id_of(a_table(path, VIEWS + '[constants]\nmarket = "DE"\n'))

    async def test_a_moved_file_is_the_same_import(self, tmp_path: Path) -> None:
        here, there = a_file(tmp_path, VISITS[:3]), a_file(tmp_path, VISITS[:3], name="moved.csv")
        assert import_id_of(a_table(here)) == import_id_of(a_table(there))


class TestTheCheckpoint:
    async def test_a_broken_one_is_named(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, VISITS[:3])
        (tmp_path / "imports").mkdir()
        (tmp_path / "imports" / f"{import_id_of(a_table(path))}.json").write_text("{")
        with pytest.raises(Corrupt, match="delete it to import anew"):
            await imported(a_table(path), MemoryLog(), tmp_path)

    def test_two_processes_do_not_run_one_import(self, tmp_path: Path) -> None:
        with (
            only_one(tmp_path / "x.lock"),
            pytest.raises(Conflict, match="already running"),
            only_one(tmp_path / "x.lock"),
        ):
            pass

    def test_a_disk_that_does_not_take_it(self, tmp_path: Path) -> None:
        with pytest.raises(TryLater, match="make room and run the import again"):
            write_durably(tmp_path / "gone" / "x.json", "{}")

    async def test_the_workbench_is_removed(self, tmp_path: Path) -> None:
        with pytest.raises(TryLater):
            await imported(a_table(a_file(tmp_path, VISITS[:3])), MemoryLog(room=0), tmp_path)
        assert not list((tmp_path / "imports").glob("*.staging"))


async def test_events_are_sent_in_the_order_they_happened(tmp_path: Path) -> None:
    log = MemoryLog()
    await imported(a_table(a_file(tmp_path, VISITS[:50][::-1])), log, tmp_path)
    times = [e["event_time"] for e in log.records("events")]
    assert times == sorted(times)
    assert log.keys("events")[0] == "u:u0"


async def test_a_market_that_the_shop_does_not_sell_in_is_refused(tmp_path: Path) -> None:
    mapping = VIEWS + '[constants]\nmarket = "FR"\n'
    report = await imported(a_table(a_file(tmp_path, VISITS[:2]), mapping), MemoryLog(), tmp_path, markets=("DE",))
    assert report["accepted"] == {}
    assert report["refused"][0]["field"] == "market"
    assert report["refused"][0]["records"] == 2
