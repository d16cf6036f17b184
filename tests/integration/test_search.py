"""A search from the lake's files to settings that a training obeys, with MLflow; killed, resumed and in bad shops."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from feature_repo.errors import BadInput, Conflict, Misconfigured
from ingestion.contracts.tables import EVENTS_SCHEMA
from ingestion.sinks.lake import Lake, Source
from shopfloor.cli import app
from shopfloor.settings import LoadedSettings
from tests.unit.training.lake_files import a_shop, an_event, write_events
from training.mlflow_client import open_client
from training.model_settings import ModelSettings
from training.registry import ModelRegistry
from training.search.search import Found, search
from training.search.stages import Limits
from training.search.studies import JOURNAL
from training.settings import TrainingSettings

CUSTOMERS = 240
SETTINGS = TrainingSettings(holdout_share=0.2, blends={"home": {"popular": 1.0}})
"""Where customers go next follows from where they were; popularity is a poor answer."""


def run(folder: Path, files: list[str] | None = None, trials: int = 4, **options: Any) -> Found:
    registry = ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "cache", folder / "mlartifacts")
    options = {"settings": SETTINGS, "placements": ["home"], "minutes": 10.0} | options
    return search(
        sorted(str(path) for path in folder.glob("*.parquet")) if files is None else files,
        registry,
        options.pop("settings"),
        folder / "search",
        Limits(options.pop("minutes"), trials),
        lambda: datetime.now(UTC),
        time.monotonic,
        lambda step, done, total: None,
        **options,
    )


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write_events(tmp_path, *a_shop(CUSTOMERS))
    return tmp_path


@pytest.mark.slow
def test_a_killed_search_is_resumed_and_what_proves_better_is_written(shop: Path) -> None:
    code = (
        "import pathlib, sys; from tests.integration.test_search import run\n"
        "run(pathlib.Path(sys.argv[1]), trials=9999)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", code, str(shop)], env=environment)
    try:
        journal = shop / "search" / JOURNAL
        while not (journal.exists() and trials_in(journal) >= 2):
            assert process.poll() is None
            time.sleep(0.05)
        with pytest.raises(Conflict, match=f"process {process.pid}"):
            run(shop)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    tried = trials_in(journal)

    late = [an_event(60 * CUSTOMERS + 500, "a", user_id="came while it was down")]
    found = run(shop, files=write_events(shop, *a_shop(CUSTOMERS), *late), trials=tried + 3)
    assert found.models[0].name == "popular"
    assert found.models[0].trials == tried + 3
    assert trials_in(journal) >= tried + 3
    assert found.blends[0].best > found.blends[0].in_force
    (held_out,) = found.judged.differences
    assert held_out.difference.low > 0

    assert found.file is not None
    written = tomllib.loads(found.file.read_text())["training"]
    assert ModelSettings.of(TrainingSettings.model_validate(written)) == found.judged.kept
    assert list(written["blends"]) == ["home"]

    client = open_client(f"sqlite:///{shop}/mlflow.db")
    (experiment,) = [each for each in client.search_experiments() if each.name != "Default"]
    (logged,) = client.search_runs([experiment.experiment_id])
    assert logged.info.run_id == found.run
    assert logged.info.status == "FINISHED"
    assert logged.data.metrics["held_out.home.difference.low"] == pytest.approx(held_out.difference.low)
    assert len(client.get_metric_history(found.run, "blend.home.ndcg_20")) == found.blends[0].trials
    artifacts = {file.path for file in client.list_artifacts(found.run)}
    assert {"model.popular.history.png", "blend.home.history.png", "search.toml"} <= artifacts


def test_weights_that_the_taught_rankers_make_needless_are_told_and_not_written(tmp_path: Path) -> None:
    """Popularity alone already proposes all eight products, and a ranker learns what follows what."""
    settings = SETTINGS.model_copy(update={"ranker_questions": 600, "holdout_questions": 600})
    found = run(tmp_path, files=write_events(tmp_path, *a_shop(3 * CUSTOMERS)), settings=settings, trials=3)
    alone, ranked = found.judged.differences
    assert alone.difference.low > 0
    assert ranked.ranked
    assert ranked.in_force > alone.in_force
    assert ranked.difference.low <= 0
    assert found.file is None
    metrics = open_client(f"sqlite:///{tmp_path}/mlflow.db").get_run(found.run).data.metrics
    assert metrics["held_out.home.difference"] == pytest.approx(alone.difference.value)
    assert metrics["held_out.home.ranked.difference"] == pytest.approx(ranked.difference.value)


def test_the_command_says_what_it_found_and_the_settings_file_obeys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "shopfloor.toml"
    told = 'data = "."\n[training]\nholdout_share = 0.2\n'
    settings.write_text(told + "[training.blends.product]\npopular = 1.0\n")
    rows = [event | {"log_partition": 0, "log_offset": at} for at, event in enumerate(a_shop(CUSTOMERS))]
    table = pa.Table.from_pylist(rows, schema=EVENTS_SCHEMA)
    Lake(str(tmp_path / "lake")).append("events", table, Source("log", "events"), {0: len(rows)})

    options = ["--placement", "product", "--trials", "5", "--model", "ease"]
    done = CliRunner().invoke(app, ["search", *options, "--json"], catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["file"] == str(tmp_path / "search" / "search.toml")
    assert {each["name"] for each in found["models"]} == {"popular"}
    assert found["held_out"][0]["low"] > 0
    assert "ease" in found["blends"][0]["values"]
    assert set(found["training"]["blends"]) == {"product"}

    table_of = CliRunner().invoke(app, ["search", *options], catch_exceptions=False).stdout
    assert "latest visits" in table_of
    assert Path(found["file"]).read_text() in table_of
    settings.write_text(told + Path(found["file"]).read_text())
    obeyed = LoadedSettings.read(settings, {}).settings.training
    assert obeyed.blends["product"] == found["training"]["blends"]["product"]
    with pytest.raises(Conflict, match="other settings in force"):
        CliRunner().invoke(app, ["search", *options], catch_exceptions=False)


def trials_in(journal: Path) -> int:
    """Trials that were told their score; Optuna's operation 6 sets a trial's state."""
    return sum(b'"op_code":6' in line for line in journal.read_bytes().splitlines())


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "told"),
        [
            ({"minutes": 0.0}, r"--minutes 0 leaves no time"),
            ({"minutes": float("nan")}, r"--minutes nan leaves no time"),
            ({"trials": 0}, r"--trials 0 tries nothing"),
            ({"placements": ["hom"]}, r"--placement hom: .* to home, home/returning, product, cart, bought-together"),
            ({"also": ["asl"]}, r"--model asl: there is no such model; known are popular, als"),
            ({"placements": ["home/returning"]}, r"too few visits .* home/returning .* enough for home, product"),
        ],
    )
    def test_options_that_make_no_sense_are_told(self, shop: Path, options: dict[str, Any], told: str) -> None:
        with pytest.raises(BadInput, match=told):
            run(shop, **options)

    def test_an_empty_lake_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="the lake holds no events yet"):
            run(tmp_path, files=[])

    def test_a_shop_of_a_few_visits_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="too few"):
            run(tmp_path, files=write_events(tmp_path, *a_shop(12)))

    def test_a_wrong_setting_is_told_before_anything_is_read(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match=r"training\.models\.als\.factor"):
            run(tmp_path, files=[], settings=TrainingSettings(models={"als": {"factor": 3}}))

    def test_a_search_of_other_data_or_settings_is_refused_until_it_starts_anew(self, shop: Path) -> None:
        run(shop, trials=1, minutes=1e-9)
        with pytest.raises(Conflict, match=r"other settings in force .*--anew"):
            run(shop, settings=TrainingSettings(holdout_share=0.2, models={"popular": {"prior": 5.0}}))
        earlier = [an_event(-60, "a", user_id="imported later")]
        files = write_events(shop, *a_shop(CUSTOMERS), *earlier)
        with pytest.raises(Conflict, match=r"other data .*interactions 720 then, 721 now.*--anew"):
            run(shop, files=files)
        found = run(shop, files=files, trials=1, minutes=1e-9, anew=True)
        assert (found.models, found.blends, found.file) == ([], [], None)
