"""Files as they really come: broken, cut off, in the wrong encoding, of the wrong kind."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.errors import BadInput, NotFound
from tests.unit.importers.imports import HEADER, MemoryLog, a_file, a_table, a_view, imported, refused


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


class TestBrokenLines:
    async def test_a_line_with_too_few_fields_is_refused_and_its_neighbours_go_in(
        self, tmp_path: Path, log: MemoryLog
    ) -> None:
        path = a_file(tmp_path, [a_view(1), "view_item,2025-05-01", a_view(2)])
        report = await imported(a_table(path), log, tmp_path)
        assert refused(report) == {"(line): has 2 fields where the header has 4": [3]}
        assert report["refused"][0]["examples"][0]["value"] == "view_item,2025-05-01"
        assert [e["user_id"] for e in log.records("events")] == ["u1", "u2"]

    async def test_a_quote_that_is_never_closed_costs_its_own_line_only(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = [a_view(1), '"view_item,2025-05-01T10:00:00Z,u9,p9', *(a_view(n) for n in range(2, 300))]
        report = await imported(a_table(a_file(tmp_path, lines)), log, tmp_path)
        assert refused(report) == {"(line): a quote is never closed": [3]}
        assert report["accepted"] == {"events": 299}

    async def test_a_quoted_field_over_two_lines_is_one_record(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = ['view_item,2025-05-01T10:00:00Z,u1,"p\n1"', "broken"]
        report = await imported(a_table(a_file(tmp_path, lines)), log, tmp_path)
        assert log.records("events")[0]["items"] == [{"item_id": "p\n1"}]
        assert list(refused(report).values()) == [[4]]

    async def test_json_lines_that_are_no_json_or_no_object(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.jsonl"
        good = '{"event":"view_item","time":"2025-05-01T10:00:00Z","user":1,"item":"p1"}'
        path.write_text("\n".join([good, '{"event":', "[1]", good.replace("p1", "p2")]))
        report = await imported(a_table(path), log, tmp_path)
        assert list(refused(report).values()) == [[2], [3]]
        assert [e["items"][0]["item_id"] for e in log.records("events")] == ["p1", "p2"]
        assert report["lines"] == {"read": 4, "used": 2, "left_out": 0, "refused": 2}

    async def test_every_line_is_used_left_out_or_refused(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = [a_view(1), a_view(1), "broken", "view_item,yesterday,u1,p1", "dance,2025-05-01T10:00:00Z,u1,p1"]
        report = await imported(a_table(a_file(tmp_path, lines)), log, tmp_path)
        assert report["lines"] == {"read": 5, "used": 1, "left_out": 1, "refused": 3}

    async def test_the_refused_lines_can_be_mended_and_imported(self, tmp_path: Path, log: MemoryLog) -> None:
        path = a_file(tmp_path, [a_view(1), "view_item,yesterday,u2,p2", "view_item,2025-05-01T10:00:00Z,u3"])
        report = await imported(a_table(path), log, tmp_path)
        (to_mend,) = map(Path, report["refused_files"])
        text = to_mend.read_text()
        assert text.splitlines()[0] == f"refused_because,{HEADER}"
        to_mend.write_text(text.replace("yesterday", "2025-05-01T10:00:00Z").replace("Z,u3", "Z,u3,p3"))
        second = await imported(a_table(to_mend), log, tmp_path)
        assert second["lines"]["refused"] == 0
        assert [e["user_id"] for e in log.records("events")] == ["u1", "u2", "u3"]

    async def test_refused_json_lines_keep_their_reason_and_can_be_imported(
        self, tmp_path: Path, log: MemoryLog
    ) -> None:
        path = tmp_path / "old.jsonl"
        path.write_text('{"event":"view_item","time":"yesterday","user":1,"item":"p1"}\n{"user":\n')
        report = await imported(a_table(path), log, tmp_path)
        (to_mend,) = map(Path, report["refused_files"])
        mended = to_mend.read_text().replace("yesterday", "2025-05-01T10:00:00Z")
        assert mended.splitlines()[1] == '{"user":'
        to_mend.write_text(mended.splitlines()[0])
        assert (await imported(a_table(to_mend), log, tmp_path))["accepted"] == {"events": 1}


class TestEncoding:
    async def test_a_line_that_is_no_utf8_is_read_as_cp1252_and_counted(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.csv"
        line = "view_item,2025-05-01T10:00:00Z,{},töpfe"
        path.write_bytes(f"{HEADER}\n{line.format('u1')}\n".encode() + f"{line.format('u2')}\n".encode("cp1252"))
        report = await imported(a_table(path), log, tmp_path)
        assert [e["items"][0]["item_id"] for e in log.records("events")] == ["töpfe", "töpfe"]
        assert report["repaired"] == [{"how": "line was no UTF-8: read as cp1252", "count": 1}]

    async def test_a_byte_that_even_cp1252_does_not_know(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.csv"
        path.write_bytes(f"{HEADER}\nview_item,2025-05-01T10:00:00Z,u1,".encode() + b"p\x81\n")
        await imported(a_table(path), log, tmp_path)
        assert log.records("events")[0]["items"] == [{"item_id": "p\x81"}]

    async def test_a_byte_order_mark_is_no_part_of_the_first_column(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.csv"
        path.write_text(f"{HEADER}\n{a_view(1)}\n", encoding="utf-8-sig")
        assert (await imported(a_table(path), log, tmp_path))["accepted"] == {"events": 1}


class TestKindsOfFile:
    async def test_gzipped_csv(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.csv.gz"
        path.write_bytes(gzip.compress(f"{HEADER}\n{a_view(1)}\n".encode()))
        assert (await imported(a_table(path), log, tmp_path))["accepted"] == {"events": 1}

    async def test_a_gzip_that_was_cut_off(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.csv.gz"
        text = "\n".join([HEADER, *(a_view(n) for n in range(20_000))])
        path.write_bytes(gzip.compress(text.encode())[:-2000])
        with pytest.raises(BadInput, match=r"old.csv.gz is damaged or cut off"):
            await imported(a_table(path), log, tmp_path)
        assert not log.topics

    async def test_parquet_with_numbers_and_times(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.parquet"
        time = pa.array([1_746_093_600_000_000], pa.timestamp("us", tz="UTC"))
        pq.write_table(pa.table({"event": ["view_item"], "time": time, "user": [7], "item": [12]}), path)
        await imported(a_table(path), log, tmp_path)
        (event,) = log.records("events")
        assert (event["user_id"], event["event_time"]) == ("7", "2025-05-01T10:00:00Z")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"", "is empty"),
            (b"  \n\n", "is empty"),
            (b"PK\x03\x04....", "is an Excel workbook; save it as CSV"),
            (b"\xff\xfea\x00", "is UTF-16; convert it"),
            (b"\x7fELF\x00\x00", "is none of CSV, JSON lines and Parquet"),
            (b'[{"event": 1}]', "is one JSON array"),
            (b"PAR1....", "is a damaged Parquet file"),
        ],
    )
    def test_a_file_that_is_not_ours(self, tmp_path: Path, content: bytes, told: str) -> None:
        path = tmp_path / "old.csv"
        path.write_bytes(content)
        with pytest.raises(BadInput, match=told):
            a_table(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no file"):
            a_table(tmp_path / "nothing.csv")

    async def test_a_header_without_lines(self, tmp_path: Path, log: MemoryLog) -> None:
        with pytest.raises(BadInput, match="no lines below its header"):
            await imported(a_table(a_file(tmp_path, [])), log, tmp_path)

    def test_a_missing_column_is_named_with_the_nearest(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, [a_view(1)], header="event,tine,user,item")
        with pytest.raises(BadInput, match=r"no column 'time' \(did you mean 'tine'\?\).*event, tine, user, item"):
            a_table(path)

    def test_two_columns_of_one_name(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="two columns named 'user'"):
            a_table(a_file(tmp_path, [a_view(1)], header="event,time,user,user"))
