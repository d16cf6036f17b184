"""What the commands tell of the champion: who it is and why, and when it cannot be read."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shopfloor.cli import app
from tests.unit.training.bundles import a_bundle
from training.bundle_format import MANIFEST, misfit
from training.registry import ModelRegistry

REASON = "slice item=tail is worse"


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop's folder; version 2 of its models was forced past the gate, version 1 was the champion before."""
    folder = tmp_path_factory.mktemp("shop")
    registry = registry_in(folder)
    a_bundle(folder / "bundle")
    for promoted in ({"why": "the first version"}, {"why": "the sale starts", "overruled": [REASON]}):
        registry.promote(registry.register(folder / "bundle", {}, {}), **promoted)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def shop(two_versions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of the test's own; the stored files are those of all tests."""
    shutil.copy(two_versions / "mlflow.db", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path))
    monkeypatch.setenv("SHOPFLOOR_MODELS", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def registry_in(folder: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "models", folder / "mlartifacts")


def say(*command: str) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, [*command, "--json"])
    return json.loads(result.stdout), result.stderr


@pytest.fixture
def old_contract(shop: Path) -> Any:
    """Makes a version's stored manifest that of an older contract, for the length of a test."""
    changed: list[tuple[Path, str]] = []

    def make(version: str) -> Path:
        stored = registry_in(shop).stored(version)
        assert stored is not None
        path = stored / MANIFEST
        changed.append((path, path.read_text()))
        path.write_text(json.dumps(json.loads(path.read_text()) | {"contract_version": 0}))
        return path

    yield make
    for path, text in changed:
        path.write_text(text)


class TestDoctor:
    def test_says_who_is_champion_since_when_and_what_was_overruled(self, shop: Path) -> None:
        check = say("doctor")[0]["checks"]["models"]
        assert check["ok"]
        assert check["says"].startswith("champion is version 2 since 20")
        assert check["says"].endswith(f", forced: the sale starts (against the gate: {REASON})")
        assert check["champion"]["forced"] is True
        assert check["champion"]["overruled"] == [REASON]
        assert not (shop / "models").exists(), "nothing is made by being looked at"

    def test_says_that_a_champion_cannot_be_read(self, shop: Path, old_contract: Any) -> None:
        path = old_contract("2")
        check = say("doctor")[0]["checks"]["models"]
        assert not check["ok"]
        assert "champion is version 2" in check["says"]
        assert f"it cannot be read: {path}" in check["says"]
        assert check["champion"]["version"] == "2"

    def test_says_that_the_champion_was_deleted(self, shop: Path) -> None:
        from training.mlflow_client import open_client

        open_client(f"sqlite:///{shop}/mlflow.db").delete_registered_model_alias("shopfloor", "champion")
        check = say("doctor")[0]["checks"]["models"]
        assert not check["ok"]
        assert check["says"].startswith("no version is champion any more, the last was 2; shopfloor rollback")


class TestPromote:
    def test_of_the_champion_says_that_nothing_happened(self, shop: Path) -> None:
        document, _ = say("promote", "2", "--force", "--why", "to be sure")
        assert (document["champion"], document["changed"], document["forced"]) == ("2", False, False)
        assert registry_in(shop).champions()[-1].why.startswith("the sale starts")


class TestRollback:
    def test_to_a_version_of_an_older_contract_is_done_and_told(self, shop: Path, old_contract: Any) -> None:
        old_contract("1")
        document, noted = say("rollback")
        assert document["champion"] == registry_in(shop).version_of("champion") == "1"
        assert "event contract 0, this program speaks" in document["problem"]
        assert "watch: version 1 cannot be read, so the service stays with what it has" in noted

    def test_to_a_version_that_can_be_read_has_no_problem(self, shop: Path) -> None:
        document, noted = say("rollback")
        assert document == {"champion": "1", "before": "2", "problem": None}
        assert noted == ""


class TestAMisfit:
    def test_is_told_of_files_that_are_missing_or_cut(self, tmp_path: Path) -> None:
        a_bundle(tmp_path / "bundle")
        assert misfit(tmp_path / "bundle") is None
        (tmp_path / "bundle" / "item_ids.npy").write_bytes(b"")
        assert "item_ids.npy has 0 bytes instead of" in str(misfit(tmp_path / "bundle"))
        (tmp_path / "bundle" / "item_ids.npy").unlink()
        assert "it lacks" in str(misfit(tmp_path / "bundle"))
        (tmp_path / "bundle" / MANIFEST).write_text("[]")
        assert "is no manifest" in str(misfit(tmp_path / "bundle"))
        assert "cannot be read" in str(misfit(tmp_path))
