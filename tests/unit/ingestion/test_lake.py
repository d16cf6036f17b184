import multiprocessing
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from feature_repo.errors import Misconfigured, TryLater
from ingestion.contracts.parse import to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA
from ingestion.sinks.lake import Lake, Source
from ingestion.sinks.rows import table_of
from tests.builders import NOW, event, record

SOURCE = Source("log-1", "events")


def rows(*offsets: int, partition: int = 0) -> pa.Table:
    events = [event(offset, event_id=f"{partition}-{offset}") for offset in offsets]
    return table_of([to_log(one) for one in events], [record(offset, partition) for offset in offsets], EVENTS_SCHEMA)


def offsets_in(lake: Lake, partition: int = 0) -> list[int]:
    query = "SELECT log_offset FROM read_parquet(?, union_by_name=true) WHERE log_partition = ? ORDER BY 1"
    return [offset for (offset,) in duckdb.execute(query, [lake.event_files(), partition]).fetchall()]


class TestAppend:
    def test_a_batch_and_its_offset_stand_together(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        assert lake.append("events", rows(0, 1, 2), SOURCE, {0: 3}) == 3
        assert lake.offsets("events", SOURCE, [0, 1]) == {0: 3}

    def test_a_replayed_batch_changes_nothing(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0, 1, 2), SOURCE, {0: 3})
        assert lake.append("events", rows(0, 1, 2), SOURCE, {0: 3}) == 0
        assert offsets_in(lake) == [0, 1, 2]

    def test_a_batch_that_overlaps_adds_only_what_is_new(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0, 1, 2), SOURCE, {0: 3})
        assert lake.append("events", rows(1, 2, 3), SOURCE, {0: 4}) == 1
        assert offsets_in(lake) == [0, 1, 2, 3]

    def test_a_stale_writer_that_lost_its_partition_adds_nothing(self, tmp_path: Path) -> None:
        stale, owner = Lake(str(tmp_path)), Lake(str(tmp_path))
        stale.append("events", rows(0), SOURCE, {0: 1})
        owner.append("events", rows(1, 2), SOURCE, {0: 3})
        assert stale.append("events", rows(1), SOURCE, {0: 2}) == 0
        assert offsets_in(owner) == [0, 1, 2]

    def test_another_log_starts_at_its_own_offsets(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0, 1), SOURCE, {0: 2})
        assert lake.append("events", rows(0, 1), Source("log-2", "events"), {0: 2}) == 2

    def test_offsets_move_on_when_every_record_was_refused(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        assert lake.append("events", rows(), SOURCE, {0: 7}) == 0
        assert lake.offsets("events", SOURCE, [0]) == {0: 7}

    def test_two_processes_write_the_same_offsets_at_once(self, tmp_path: Path) -> None:
        Lake(str(tmp_path)).check()
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_append_forty_batches, args=(str(tmp_path),)) for _ in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(120)
            assert writer.exitcode == 0
        assert offsets_in(Lake(str(tmp_path))) == list(range(40))


def _append_forty_batches(address: str) -> None:
    lake = Lake(address)
    for offset in range(40):
        lake.append("events", rows(offset), SOURCE, {0: offset + 1})


class TestReading:
    def test_compaction_keeps_rows_and_offsets(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        for offset in range(6):
            lake.append("events", rows(offset), SOURCE, {0: offset + 1})
        assert lake.compact("events", min_files=2)
        assert len(lake.event_files()) == 1
        assert offsets_in(lake) == list(range(6))
        assert lake.offsets("events", SOURCE, [0]) == {0: 6}

    def test_recent_ids_leave_out_what_came_earlier(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0, 100), SOURCE, {0: 101})
        recent = lake.recent_ids("events", "event_id", "received_at", NOW + timedelta(seconds=50))
        assert [one for ids, _ in recent for one in ids] == ["0-100"]

    def test_the_product_snapshot_has_the_newest_record_of_each_market(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        products = [
            StoredProduct(item_id="tent", market="DE", price=90, currency="EUR", updated_at=NOW),
            StoredProduct(item_id="tent", attributes={"colour": "red"}, updated_at=NOW),
            StoredProduct(item_id="tent", market="DE", price=80, currency="EUR", updated_at=NOW),
        ]
        origins = [record(i, topic="products") for i in range(3)]
        lake.append(
            "products",
            table_of([to_log(one) for one in products], origins, PRODUCTS_SCHEMA),
            Source("log-1", "products"),
            {0: 3},
        )
        newest, reached = lake.products("log-1")
        assert {(p.item_id, p.market): p.price for p in newest} == {("tent", "DE"): 80, ("tent", None): None}
        assert next(p for p in newest if p.market is None).attributes == {"colour": "red"}
        assert reached == {0: 3}


def without(fields: Iterable[pa.Field], path: str) -> list[pa.Field]:
    """The fields as they were before ``path``, such as ``items.index``, came into the contract."""
    name, _, below = path.partition(".")
    kept = []
    for field in fields:
        if field.name != name:
            kept.append(field)
        elif below and pa.types.is_list(field.type):
            kept.append(field.with_type(pa.list_(pa.struct(without(field.type.value_type, below)))))
        elif below:
            kept.append(field.with_type(pa.struct(without(field.type, below))))
    return kept


class TestContractThatGrew:
    @pytest.mark.parametrize("path", ["search_term", "items.index", "producer.version"])
    def test_a_table_made_before_takes_the_new_field_over(self, tmp_path: Path, path: str) -> None:
        before = pa.schema(without(EVENTS_SCHEMA, path))
        DeltaTable.create(str(tmp_path / "events"), schema=before, partition_by=["event_date"], name="shopfloor.events")
        lake = Lake(str(tmp_path))
        old = pa.Table.from_pylist(rows(0).to_pylist(), schema=before)
        write_deltalake(str(tmp_path / "events"), old, mode="append")
        lake.append("events", rows(1), SOURCE, {0: 2})
        lake.append("events", rows(2), SOURCE, {0: 3})
        assert offsets_in(lake) == [0, 1, 2]
        stored = pa.schema(DeltaTable(str(tmp_path / "events")).schema().to_arrow())
        assert set(stored.names) == set(EVENTS_SCHEMA.names)
        query = "SELECT items[1].item_id FROM read_parquet(?, union_by_name=true)"
        assert duckdb.execute(query, [lake.event_files()]).fetchall() == [("tent-1",)] * 3

    def test_a_worker_of_before_still_writes_beside_a_newer_one(self, tmp_path: Path) -> None:
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0), SOURCE, {0: 1})
        before = pa.schema(without(EVENTS_SCHEMA, "search_term"))
        lake.append("events", pa.Table.from_pylist(rows(1).to_pylist(), schema=before), SOURCE, {0: 2})
        lake.append("events", rows(2), SOURCE, {0: 3})
        assert offsets_in(lake) == [0, 1, 2]
        stored = pa.schema(DeltaTable(str(tmp_path / "events")).schema().to_arrow())
        assert set(stored.names) == set(EVENTS_SCHEMA.names)


class TestAddress:
    def test_a_table_that_another_process_is_making_is_no_foreign_folder(self, tmp_path: Path) -> None:
        (tmp_path / "events" / "_delta_log").mkdir(parents=True)
        lake = Lake(str(tmp_path))
        lake.append("events", rows(0), SOURCE, {0: 1})
        assert offsets_in(lake) == [0]

    def test_a_folder_with_other_files_is_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "events").mkdir()
        (tmp_path / "events" / "holiday.jpg").write_bytes(b"x")
        with pytest.raises(Misconfigured, match="empty folder"):
            Lake(str(tmp_path)).event_files()

    def test_a_delta_table_of_somebody_else_is_left_alone(self, tmp_path: Path) -> None:
        DeltaTable.create(str(tmp_path / "events"), schema=EVENTS_SCHEMA, name="warehouse.events")
        with pytest.raises(Misconfigured, match=r"warehouse\.events"):
            Lake(str(tmp_path)).append("events", rows(0), SOURCE, {0: 1})

    def test_a_file_where_the_folder_should_be_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "lake").write_text("not a folder")
        with pytest.raises(Misconfigured, match=rf"{tmp_path / 'lake'} is a file"):
            Lake(str(tmp_path / "lake")).event_files()

    def test_a_place_that_cannot_be_written_says_so(self) -> None:
        with pytest.raises(TryLater, match="check disk"):
            Lake("/proc/lake").event_files()
