"""The registry against MLflow's real stores: the embedded SQLite one and a real tracking server."""

import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

from feature_repo.errors import Conflict, Corrupt, NotFound, Refused, TryLater
from tests.unit.training.bundles import NOON, a_bundle
from tests.unit.training.candidate_suite import TEA
from tests.unit.training.test_promotion import EQUAL, FINE
from training.bundle import Bundle
from training.bundle_format import MANIFEST
from training.mlflow_client import open_client
from training.registry import CHALLENGER, CHAMPION, MODEL, ModelRegistry
from training.registry_store import MlflowStore, RegistryStore, RestStore, SqliteStore, registry_store


def ticking() -> Any:
    minutes = itertools.count()
    return lambda: NOON + timedelta(minutes=next(minutes))


@pytest.fixture(scope="module")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's tables without a row: making them takes MLflow longer than all else that a test does."""
    path = tmp_path_factory.mktemp("tables") / "mlflow.db"
    open_client(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture
def registry(empty_database: Path, tmp_path: Path) -> ModelRegistry:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "cache", tmp_path / "mlartifacts", ticking())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    a_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def register(registry: ModelRegistry, folder: Path) -> str:
    return registry.register(folder, {"blend.hr_20": 0.5}, {"seed": 7})


class TestAnEmptyRegistry:
    def test_has_no_champion(self, registry: ModelRegistry) -> None:
        assert registry.version_of(CHAMPION) is None
        assert registry.champions() == []

    @pytest.mark.parametrize("version", ["1", "", "../1", "latest"])
    def test_has_no_versions(self, registry: ModelRegistry, version: str) -> None:
        with pytest.raises(NotFound, match="shopfloor train"):
            registry.fetch(version)
        with pytest.raises(NotFound):
            registry.promote(version)

    def test_cannot_roll_back(self, registry: ModelRegistry) -> None:
        with pytest.raises(Conflict):
            registry.rollback()

    def test_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "mlflow.db").write_text("not a database, but long enough to be read as the header of one" * 20)
        registry = ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "cache")
        mend = r"mlflow\.db is no readable .*; restore it .* or move it away and run shopfloor train"
        with pytest.raises(Corrupt, match=mend):
            registry.version_of(CHAMPION)
        with pytest.raises(Corrupt, match=mend):
            SqliteStore(tmp_path / "mlflow.db").set_alias(MODEL, CHAMPION, "1")


class TestAVersion:
    def test_comes_back_as_it_was_registered(self, registry: ModelRegistry, folder: Path) -> None:
        version = register(registry, folder)
        fetched = registry.fetch(version)
        assert (fetched / MANIFEST).read_bytes() == (folder / MANIFEST).read_bytes()
        assert Bundle.open(fetched, version).version == version
        assert registry.fetch(version) == fetched
        assert registry.manifest(version).metrics == {"blend.hr_20": 0.5}

    def test_has_a_run_with_its_metrics_and_params(self, registry: ModelRegistry, folder: Path, tmp_path: Path) -> None:
        version = register(registry, folder)
        client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
        run = client.get_run(client.get_model_version(MODEL, version).run_id)
        assert run.data.metrics == {"blend.hr_20": 0.5}
        assert run.data.params == {"seed": "7"}
        assert run.info.status == "FINISHED"

    def test_is_a_model_that_plain_mlflow_can_load(self, registry: ModelRegistry, folder: Path, tmp_path: Path) -> None:
        version = register(registry, folder)
        source = open_client(f"sqlite:///{tmp_path}/mlflow.db").get_model_version_download_uri(MODEL, version)
        import mlflow.pyfunc

        model = mlflow.pyfunc.load_model(source)
        answer = model.predict(pd.DataFrame({"item_ids": [[TEA[0]]], "placement": ["home"], "n": [2]}))
        assert set(answer["item_ids"][0]) <= set(TEA)
        assert not list((tmp_path / "mlartifacts").rglob("*.pkl"))

    def test_whose_cached_copy_was_damaged_is_fetched_again(self, registry: ModelRegistry, folder: Path) -> None:
        version = register(registry, folder)
        fetched = registry.fetch(version)
        (fetched / "item_ids.npy").write_bytes(b"")
        assert (registry.fetch(version) / "item_ids.npy").read_bytes() == (folder / "item_ids.npy").read_bytes()

    @pytest.mark.parametrize("name", ["item_ids.npy", MANIFEST])
    def test_whose_stored_files_were_damaged_is_refused(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path, name: str
    ) -> None:
        version = register(registry, folder)
        [stored] = (tmp_path / "mlartifacts").rglob(name)
        content = stored.read_bytes()
        stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(Corrupt) as refusal:
            registry.fetch(version)
        assert str(stored) in str(refusal.value)
        assert [path for path in (tmp_path / "cache").iterdir() if not path.name.startswith(".")] == []

    def test_whose_bundle_is_not_whole_is_never_registered(self, registry: ModelRegistry, folder: Path) -> None:
        (folder / "item_ids.npy").unlink()
        with pytest.raises(Corrupt, match=r"item_ids\.npy"):
            register(registry, folder)
        with pytest.raises(NotFound):
            registry.fetch("1")

    def test_whose_folder_has_another_name_is_stored_as_any_other(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path
    ) -> None:
        version = register(registry, folder.rename(tmp_path / "another name"))
        assert Bundle.open(registry.fetch(version), version).version == version

    def test_that_another_process_fetches_at_the_same_time(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path
    ) -> None:
        version = register(registry, folder)
        code = (
            "import sys, pathlib; from training.registry import ModelRegistry;"
            "print(ModelRegistry(sys.argv[1], pathlib.Path(sys.argv[2])).fetch('1'))"
        )
        command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "cache")]
        others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        outputs = [other.communicate(timeout=120)[0].strip() for other in others]
        assert outputs == [str(registry.fetch(version))] * 2


class TestTheChampion:
    def test_changes_with_each_promotion_and_back(self, registry: ModelRegistry, folder: Path) -> None:
        for _ in range(3):
            registry.promote(register(registry, folder))
        assert registry.version_of(CHAMPION) == "3"
        assert [promotion.version for promotion in registry.champions()] == ["1", "2", "3"]
        assert registry.rollback() == "2"
        assert registry.version_of(CHAMPION) == "2"
        assert registry.rollback() == "1"
        with pytest.raises(Conflict, match="before the present one"):
            registry.rollback()
        assert registry.version_of(CHAMPION) == "1"

    def test_promoted_twice_is_one_champion(self, registry: ModelRegistry, folder: Path) -> None:
        first, second = register(registry, folder), register(registry, folder)
        registry.promote(first)
        registry.promote(second)
        registry.promote(second)
        assert registry.rollback() == first

    def test_set_by_hand_in_mlflow_is_the_present_one(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path
    ) -> None:
        first, second = register(registry, folder), register(registry, folder)
        registry.promote(first)
        open_client(f"sqlite:///{tmp_path}/mlflow.db").set_registered_model_alias(MODEL, CHAMPION, second)
        assert registry.version_of(CHAMPION) == second
        assert registry.rollback() == first

    def test_before_that_was_deleted_is_passed_over(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path
    ) -> None:
        for _ in range(3):
            registry.promote(register(registry, folder))
        open_client(f"sqlite:///{tmp_path}/mlflow.db").delete_model_version(MODEL, "2")
        assert registry.rollback() == "1"

    @pytest.mark.parametrize("gone", ["alias", "version"])
    def test_that_was_deleted_in_mlflow_leaves_its_history_and_the_way_back(
        self, registry: ModelRegistry, folder: Path, tmp_path: Path, gone: str
    ) -> None:
        registry.promote(register(registry, folder), "the first version")
        registry.promote(register(registry, folder), "the sale starts", ["slice item=tail is worse"])
        waiting = register(registry, folder)
        client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
        if gone == "alias":
            client.delete_registered_model_alias(MODEL, CHAMPION)
        else:
            client.delete_model_version(MODEL, "2")
        assert registry.version_of(CHAMPION) is None
        assert [promotion.version for promotion in registry.champions()] == ["1", "2"]
        live = {"alias": "2", "version": "1"}[gone]
        assert registry.rollback() == registry.version_of(CHAMPION) == live
        client.delete_registered_model_alias(MODEL, CHAMPION)
        registry.promote(waiting)
        assert [promotion.version for promotion in registry.champions()] == [*("1", "2")[: int(live)], waiting]
        assert registry.champions()[int(live) - 1].why

    def test_before_has_a_history_that_fits_mlflows_tag(self, registry: ModelRegistry, folder: Path) -> None:
        versions = register(registry, folder), register(registry, folder)
        for round in range(20):
            registry.promote(versions[round % 2], why=f"{round} " + "x" * 600)
        assert [promotion.version for promotion in registry.champions()][-2:] == list(versions)
        assert registry.rollback() == versions[0]

    def test_keeps_what_was_overruled_as_tags(self, registry: ModelRegistry, folder: Path, tmp_path: Path) -> None:
        version = register(registry, folder)
        registry.promote(version, "the sale starts", ["slice item=tail is worse"])
        tags = open_client(f"sqlite:///{tmp_path}/mlflow.db").get_model_version(MODEL, version).tags
        assert tags["shopfloor.forced"] == "the sale starts"
        assert json.loads(tags["shopfloor.overruled"]) == ["slice item=tail is worse"]
        [promotion] = registry.champions()
        assert promotion.forced
        assert promotion.why == "the sale starts (against the gate: slice item=tail is worse)"
        assert registry.overruled(version) == ["slice item=tail is worse"]

    def test_keeps_why_it_was_promoted(self, registry: ModelRegistry, folder: Path) -> None:
        registry.promote(register(registry, folder), why="the sale starts")
        [promotion] = registry.champions()
        assert promotion.why == "the sale starts"
        assert datetime.fromisoformat(promotion.at) >= NOON


KILLED_AT = ("create_run", "log_metric", "log_model_artifacts", "set_terminated", "create_model_version")
KILLING = """
import os, pathlib, signal, sys
import mlflow.pyfunc
from mlflow.tracking import MlflowClient
from training.registry import ModelRegistry

uri, cache, artifacts, bundle, *points = sys.argv[1:]

def fatal(method):
    def call(*args, **kwargs):
        method(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

for point in points:
    child = os.fork()  # so that MLflow is imported once
    if not child:
        setattr(MlflowClient, point, fatal(getattr(MlflowClient, point)))
        ModelRegistry(uri, pathlib.Path(cache), pathlib.Path(artifacts)).register(pathlib.Path(bundle), {'m': 1.0}, {})
    print(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_a_training_killed_while_registering_leaves_nothing_half_registered(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    """Killed right after each call of MLflow that leaves a mark: each version that exists is whole."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    searching = registry.tracked_run("search 2026-03-01 12:00").id
    places = [uri, *(str(tmp_path / name) for name in ("cache", "mlartifacts", "bundle"))]
    done = subprocess.run(
        [sys.executable, "-c", KILLING, *places, *KILLED_AT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(int(signal.SIGKILL))] * len(KILLED_AT)
    client = open_client(uri)
    [version] = client.search_model_versions(f"name = '{MODEL}'")
    Bundle.open(registry.fetch(str(version.version)), str(version.version))
    experiment = client.get_run(searching).info.experiment_id
    statuses = lambda: sorted(run.info.status for run in client.search_runs([experiment]))  # noqa: E731
    assert statuses() == ["FINISHED", "FINISHED", "RUNNING", "RUNNING", "RUNNING", "RUNNING"]
    registry.end_killed_trainings()
    assert statuses() == ["FINISHED", "FINISHED", "KILLED", "KILLED", "KILLED", "RUNNING"]
    assert client.get_run(searching).info.status == "RUNNING"
    assert {str(model.status) for model in client.search_logged_models([experiment])} == {"READY", "FAILED"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow tracking server that keeps the artifacts itself."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mlflow = shutil.which("mlflow", path=str(Path(sys.executable).parent))
    assert mlflow, "MLflow is a requirement and brings its own command"
    command = [mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stores], stdout=log, stderr=log, start_new_session=True, cwd=folder,
            env=os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 90
            while True:
                try:
                    httpx.get(f"http://127.0.0.1:{port}/health", timeout=2).raise_for_status()
                    break
                except httpx.HTTPError:
                    if time.monotonic() > deadline or process.poll() is not None:
                        pytest.fail(f"the MLflow server did not start: {(folder / 'log').read_text()[-2000:]}")
                    time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def test_a_tracking_server_keeps_and_hands_out_versions(server: str, folder: Path, tmp_path: Path) -> None:
    registry = ModelRegistry(server, tmp_path / "cache", clock=ticking())
    assert registry.version_of(CHAMPION) is None
    version = register(registry, folder)
    registry.promote(version)
    registry.challenge(version)
    assert registry.version_of(CHAMPION) == registry.version_of(CHALLENGER) == version
    Bundle.open(registry.fetch(version), version)
    with pytest.raises(NotFound):
        registry.fetch("99")


@pytest.mark.parametrize("kind", ["sqlite", "server"])
class TestTheLightStore:
    """``light`` is what Shopfloor uses, ``full`` is MLflow's own client on the same registry."""

    @pytest.fixture
    def uri(self, kind: str, registry: ModelRegistry, tmp_path: Path, request: pytest.FixtureRequest) -> str:
        return f"sqlite:///{tmp_path}/mlflow.db" if kind == "sqlite" else str(request.getfixturevalue("server"))

    @pytest.fixture
    def version(self, uri: str, folder: Path, tmp_path: Path) -> str:
        return register(ModelRegistry(uri, tmp_path / "cache", tmp_path / "mlartifacts"), folder)

    def test_reads_what_mlflow_reads(self, uri: str, version: str) -> None:
        light, full = patient(uri), MlflowStore(uri)
        full.set_alias(MODEL, CHALLENGER, version)
        full.set_model_tag(MODEL, "tag of the model", "1 % ü")
        for alias in (CHALLENGER, "nobodys"):
            assert light.version_of(MODEL, alias) == full.version_of(MODEL, alias)
        for known in (version, "99"):
            assert light.tags(MODEL, known) == full.tags(MODEL, known)
        for model in (MODEL, "another"):
            assert light.model_tags(model) == full.model_tags(model)

    def test_writes_what_mlflow_would_have_written(self, uri: str, version: str) -> None:
        light, full = patient(uri), MlflowStore(uri)
        for value in ("first", "second, in its place"):
            light.set_alias(MODEL, "alias", version)
            light.set_model_tag(MODEL, "tag", value)
            light.set_version_tag(MODEL, version, "tag", value)
            assert full.version_of(MODEL, "alias") == version
            assert full.model_tags(MODEL)["tag"] == value
            assert (full.tags(MODEL, version) or {})["tag"] == value
        model = open_client(uri).get_registered_model(MODEL)
        assert {alias: str(number) for alias, number in model.aliases.items()}["alias"] == version

    def test_writes_nothing_for_what_is_not_there(self, uri: str, version: str) -> None:
        light = patient(uri)
        with pytest.raises(NotFound):
            light.set_alias(MODEL, "nobodys", "99")
        with pytest.raises(NotFound):
            light.set_version_tag(MODEL, "99", "tag", "value")
        with pytest.raises(NotFound):
            light.set_model_tag("another", "tag", "value")
        assert light.version_of(MODEL, "nobodys") is None


def patient(uri: str) -> RegistryStore:
    """Waits as long as a loaded machine needs: here the answers are compared, not how soon they come."""
    return RestStore(uri, timeout_seconds=60) if uri.startswith("http") else registry_store(uri)


def test_a_locked_store_is_written_later(registry: ModelRegistry, folder: Path, tmp_path: Path) -> None:
    version = register(registry, folder)
    store = SqliteStore(tmp_path / "mlflow.db", timeout_seconds=0.05)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TryLater, match="locked"):
            store.set_alias(MODEL, CHAMPION, version)
        other.execute("ROLLBACK")
    store.set_alias(MODEL, CHAMPION, version)
    assert registry.version_of(CHAMPION) == version


def test_a_server_that_is_down_is_asked_again_later(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        registry = ModelRegistry(f"http://127.0.0.1:{free.getsockname()[1]}", tmp_path)
        with pytest.raises(TryLater, match="does not answer"):
            registry.version_of(CHAMPION)


def test_following_an_alias_and_rolling_back_import_no_mlflow(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    """MLflow would cost each serving process 110 MB, and a rollback five seconds."""
    for _ in range(2):
        registry.promote(register(registry, folder))
    code = (
        "import sys, json, pathlib; from training.registry import ModelRegistry; from training.bundle import Bundle;"
        "r = ModelRegistry(sys.argv[1], pathlib.Path(sys.argv[2]));"
        "Bundle.open(r.fetch(r.version_of('champion')), '2'); r.rollback();"
        "print(json.dumps([m for m in ('mlflow', 'sqlalchemy') if m in sys.modules]))"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "cache")]
    assert json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout) == []
    assert registry.version_of(CHAMPION) == "1"


def test_a_refused_promotion_gives_its_reasons_to_a_script(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    registry.promote(register(registry, folder))
    worse = EQUAL | {"over_champion.hr_20": -0.05, "over_champion.hr_20.low": -0.08, "over_champion.hr_20.high": -0.02}
    narrower = FINE.model_copy(update={"coverage": 0.1})
    a_bundle(tmp_path / "worse", metrics=worse, compared_with="1", evidence=narrower)
    registry.challenge(register(registry, tmp_path / "worse"))
    code = "import sys; from shopfloor.cli import main; sys.argv[1:] = ['promote', 'challenger', '--json']; main()"
    environ = os.environ | {"SHOPFLOOR_MODELS": f"sqlite:///{tmp_path}/mlflow.db", "SHOPFLOOR_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ, cwd=tmp_path
    )
    assert done.returncode == Refused.exit_code, done.stderr
    error = json.loads(done.stdout)["error"]
    assert (error["title"], error["version"]) == (Refused.title, "2")
    reasons = {reason["check"]: reason for reason in error["reasons"]}
    assert set(reasons) == {"difference", "coverage"}
    for reason in reasons.values():
        assert reason["reason"] in error["detail"]
        assert reason["figures"]
    assert "is not promoted" in done.stderr
    assert registry.version_of(CHAMPION) == "1"


def test_the_rollback_command_imports_neither_mlflow_nor_a_model_and_takes_less_than_a_second(
    registry: ModelRegistry, folder: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        registry.promote(register(registry, folder))
    code = (
        "import sys; from shopfloor.cli import main; import atexit, time;"
        "atexit.register(lambda: print(time.process_time()));"  # of the whole process; what is registered last is first
        "atexit.register(lambda: print([m for m in ('mlflow', 'numba', 'duckdb', 'pandas') if m in sys.modules]));"
        "sys.argv[1:] = ['rollback', '--json']; main()"
    )
    environ = os.environ | {"SHOPFLOOR_MODELS": f"sqlite:///{tmp_path}/mlflow.db", "SHOPFLOOR_DATA": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ, cwd=tmp_path
    )
    document, imported, cpu_seconds = done.stdout.splitlines()
    assert json.loads(document) == {"champion": "1", "before": "2", "problem": None}
    assert imported == "[]"
    assert float(cpu_seconds) < 1
