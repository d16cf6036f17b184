"""One process at a time."""

from pathlib import Path

import pytest

from feature_repo.errors import BadInput, Conflict
from training.exclusive import only_one


def fail(lock: Path) -> None:
    with only_one(lock, "a search"):
        raise AssertionError("it ran without a lock of its own")


def test_a_second_one_is_told_who_runs(tmp_path: Path) -> None:
    lock = tmp_path / "new" / "lock"
    with only_one(lock, "a search"), pytest.raises(Conflict, match=r"a search is running already \(process \d+\)"):
        fail(lock)
    with only_one(lock, "a search"):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"a search needs a folder to write to, and .*/file/deeper is none: Not a dir"):
        fail(tmp_path / "file" / "deeper" / "lock")


def test_a_folder_in_the_place_of_the_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(BadInput, match="a search needs a folder to write to"):
        fail(tmp_path / "lock")


def test_what_goes_wrong_inside_is_no_matter_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk full"), only_one(tmp_path / "lock", "a search"):
        raise OSError("disk full")
