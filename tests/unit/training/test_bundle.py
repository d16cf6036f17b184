import json
from pathlib import Path

import pytest

from feature_repo.errors import Corrupt
from tests.unit.training.bundles import a_bundle
from tests.unit.training.candidate_suite import TEA, checker_board
from training.bundle import Bundle
from training.bundle_format import MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    a_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def edit_manifest(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(manifest | changes))


def test_an_opened_bundle_knows_its_items_and_models(folder: Path) -> None:
    bundle = Bundle.open(folder, "7")
    board = checker_board()
    assert bundle.version == "7"
    assert bundle.item_ids.tolist() == board.item_ids.tolist()
    assert [bundle.item_index[item] for item in TEA] == [board.item_ids.tolist().index(item) for item in TEA]
    assert set(bundle.models) == {"session_knn", "covisitation"}
    assert bundle.manifest.window.interactions == len(board)
    assert bundle.manifest.libraries["numpy"]
    assert bundle.markets == ("DE", "FR")


def test_every_file_is_checked(folder: Path) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]:
        whole = path.read_bytes()
        for damaged in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], None):
            path.unlink()
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(Corrupt, match=path.name):
                Bundle.open(folder, "1")
            path.write_bytes(whole)
    Bundle.open(folder, "1")


def test_a_half_bundle_has_no_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    with pytest.raises(Corrupt, match=MANIFEST):
        Bundle.open(folder, "1")


def test_a_cut_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:100])
    with pytest.raises(Corrupt, match=MANIFEST):
        Bundle.open(folder, "1")


def test_a_model_trained_with_an_older_contract(folder: Path) -> None:
    edit_manifest(folder, contract_version=0)
    with pytest.raises(Corrupt, match=r"event contract 0.*train again"):
        Bundle.open(folder, "1")


def test_a_model_that_this_program_does_not_have(folder: Path) -> None:
    edit_manifest(folder, models=["crystal_ball"])
    with pytest.raises(Corrupt, match="crystal_ball"):
        Bundle.open(folder, "1")


def test_a_manifest_that_points_outside_its_folder(folder: Path) -> None:
    edit_manifest(folder, files={"../../etc/passwd": {"sha256": "0", "size": 1}})
    with pytest.raises(Corrupt, match="outside the bundle"):
        Bundle.open(folder, "1")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk_full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("training.bundle.checksum", disk_full)
    with pytest.raises(OSError, match="No space"):
        a_bundle(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []
