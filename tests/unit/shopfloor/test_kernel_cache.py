"""Where compiled kernels are kept."""

import os
from pathlib import Path

from shopfloor.kernel_cache import VARIABLE, use_own_folder

NOW = 1_790_000_000.0


def sources(folder: Path) -> Path:
    (folder / "training" / "candidates").mkdir(parents=True)
    (folder / "training" / "trees.py").write_text("one = 1")
    (folder / "training" / "candidates" / "compiled.py").write_text("two = 2")
    return folder / "training"


def chosen(folder: Path, **environ: str) -> Path:
    use_own_folder(folder, environ, NOW)
    return Path(environ[VARIABLE])


def test_the_same_sources_keep_their_folder_and_a_child_has_its_parents(tmp_path: Path) -> None:
    code = sources(tmp_path)
    first = chosen(code)
    assert first.is_dir()
    assert first.is_relative_to(code)
    assert chosen(code) == first
    assert chosen(code, **{VARIABLE: str(first)}) == first


def test_any_changed_source_has_another_folder_and_the_former_one_goes_after_a_week(tmp_path: Path) -> None:
    code = sources(tmp_path)
    first = chosen(code)
    os.utime(first, (NOW, NOW))
    (code / "candidates" / "compiled.py").write_text("two = 22")
    second = chosen(code)
    assert second != first
    assert first.exists()
    os.utime(first, (NOW, NOW - 8 * 86_400))
    assert chosen(code) == second
    assert not first.exists()


def test_a_folder_that_the_shop_chose_holds_it(tmp_path: Path) -> None:
    mine = tmp_path / "cache"
    assert chosen(sources(tmp_path), **{VARIABLE: str(mine)}).parent == mine


def test_where_nothing_can_be_written_numba_finds_a_place_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    environ = {VARIABLE: str(tmp_path / "file")}
    use_own_folder(sources(tmp_path), environ, NOW)
    assert environ == {VARIABLE: str(tmp_path / "file")}
    assert VARIABLE not in os.environ or not os.environ[VARIABLE].startswith(str(tmp_path))
