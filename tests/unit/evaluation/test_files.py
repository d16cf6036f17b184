"""Reading training and test files."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import BadInput, NotFound
from training.evaluation.files import parse_columns, read_file

CLICKS = pd.DataFrame({"sid": [1, 1, 2], "sku": ["007", "a,b", "ü"], "at": [30, 10, 20]})
COLUMNS = {"session": "sid", "item": "sku", "time": "at"}


def write(folder: Path, frame: pd.DataFrame, suffix: str) -> Path:
    path = folder / f"clicks{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    elif suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl", ".ndjson"])
def test_every_kind_of_file_reads_the_same(tmp_path: Path, suffix: str) -> None:
    frame = read_file(write(tmp_path, CLICKS, suffix), COLUMNS, ("session", "item"), ("time", "market"))
    assert frame["session"].tolist() == ["1", "2", "1"]
    assert frame["item"].tolist() == ["a,b", "ü", "007"]
    assert frame["time"].tolist() == [10, 20, 30]
    assert "market" not in frame


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000, 1_000_000_000])
def test_times_in_any_unit_since_1970(tmp_path: Path, unit: int) -> None:
    path = write(tmp_path, CLICKS.assign(at=[1_600_000_000 * unit] * 3), ".parquet")
    assert read_file(path, COLUMNS, ("item",), ("time",))["time"].tolist() == [1_600_000_000] * 3


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_times_as_timestamps(tmp_path: Path, suffix: str) -> None:
    frame = CLICKS.assign(at=pd.to_datetime(["2020-09-13 12:26:40"] * 3, utc=True))
    if suffix != ".parquet":
        frame["at"] = "2020-09-13T14:26:40+02:00"
    times = read_file(write(tmp_path, frame, suffix), COLUMNS, ("item",), ("time",))["time"]
    assert times.tolist() == [1_600_000_000] * 3


def test_order_within_a_second_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path, CLICKS.assign(at=[1_600_000_000_900, 1_600_000_000_100, 1_600_000_000_500]), ".parquet")
    assert read_file(path, COLUMNS, ("item",), ("time",))["item"].tolist() == ["a,b", "ü", "007"]


def test_whole_numbers_stored_as_floats_are_the_same_ids(tmp_path: Path) -> None:
    path = write(tmp_path, CLICKS.assign(sku=[12.0, 7.0, 3.0]), ".parquet")
    assert read_file(path, COLUMNS, ("item",), ())["item"].tolist() == ["12", "7", "3"]


def test_events_become_kinds_and_those_without_interest_are_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"item": list("abcd"), "event": ["view", "Add_To_Cart", "search", "transaction"]})
    read = read_file(write(tmp_path, frame, ".csv"), {}, ("item",), ("event",))
    assert dict(zip(read["item"], read["event"], strict=True)) == {"a": Kind.VIEW, "b": Kind.CART, "d": Kind.BUY}
    assert read["event"].dtype == np.int8


def test_an_unknown_event_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = write(tmp_path, pd.DataFrame({"item": ["a"], "event": ["hover"]}), ".csv")
    with pytest.raises(BadInput, match=r"unknown event 'hover'.*view"):
        read_file(path, {}, ("item",), ("event",))


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no column 'SKU' for item; it has sid, sku, at"):
        read_file(write(tmp_path, CLICKS, ".csv"), {"item": "SKU"}, ("item",), ())


def test_a_gap_is_refused_with_its_row(tmp_path: Path) -> None:
    path = write(tmp_path, CLICKS.assign(sku=["a", None, "b"]), ".jsonl")
    with pytest.raises(BadInput, match=r"column 'sku': 1 rows have no item.*first row 2"):
        read_file(path, COLUMNS, ("item",), ())


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("gone.csv", None, NotFound, "there is no file"),
        ("empty.csv", b"", BadInput, "empty.csv"),
        ("heading.csv", b"item\n", BadInput, "holds no rows"),
        ("broken.parquet", b"no parquet at all", BadInput, "cannot be read"),
        ("broken.jsonl", b'{"item": "a"}\n{"item', BadInput, "cannot be read"),
        ("clicks.xlsx", b"?", BadInput, "known are .parquet"),
    ],
)
def test_a_file_that_is_none(
    tmp_path: Path, name: str, content: bytes | None, error: type[Exception], message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=message):
        read_file(path, {}, ("item",), ())


def test_column_names_of_the_command_line() -> None:
    assert parse_columns("session=SessionId, item=ItemId") == {"session": "SessionId", "item": "ItemId"}
    assert parse_columns("") == {}
    for wrong in ("item", "item=", "sku=item"):
        with pytest.raises(BadInput, match="--columns"):
            parse_columns(wrong)


@pytest.mark.parametrize("name", ["empty.csv", "empty.jsonl", "empty.parquet"])
@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_file_is_called_one(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadInput, match=f"{name} is empty"):
        read_file(tmp_path / name, {}, ("user", "item"), ())
