"""docs/your-own-model.ipynb runs as it is, on a small shop, and registers a challenger with a model of its own."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from shopfloor import wiring
from shopfloor.cli import app
from shopfloor.demo.folder import made_afresh
from shopfloor.demo.sending import send_catalogue, send_history
from shopfloor.demo.shop import DemoShop
from shopfloor.settings import LoadedSettings
from tests.unit.training.candidate_suite import CandidateSuite

pytestmark = pytest.mark.slow

NOTEBOOK = Path(__file__).parents[2] / "docs" / "your-own-model.ipynb"
CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
CODE = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
WRITTEN = "%%writefile "
# What a kernel does with cells, as far as this notebook asks for it; its last names are printed for the test.
KERNEL = f"""
import json, sys
from pathlib import Path
cells, names = json.load(open(sys.argv[1])), {{}}
for number, cell in enumerate(cells):
    if cell.startswith({WRITTEN!r}):
        path, text = cell.removeprefix({WRITTEN!r}).split("\\n", 1)
        Path(path.format(**names)).write_text(text + "\\n")
    else:
        exec(compile(cell, f"cell {{number}}", "exec"), names)
print(json.dumps(names["trained"]))
"""


def the_notebooks_model() -> Any:
    names: dict[str, Any] = {"__name__": __name__}
    cell = next(cell for cell in CODE if cell.startswith(WRITTEN))
    exec(compile(cell.split("\n", 1)[1], str(NOTEBOOK), "exec"), names)
    return names["MyCosine"]


class TestModelOfTheNotebook(CandidateSuite):
    model = the_notebooks_model()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The folder of a small demo shop with a champion, as a demo leaves it."""
    config = made_afresh(tmp_path / "shop", 8000)
    config.write_text(f"{config.read_text()}[training]\nholdout_questions = 300\nranker_questions = 300\n")
    asyncio.run(_send(config))
    for verb in ("materialize", "train"):
        done = CliRunner().invoke(app, [verb, "--config", str(config)])
        assert done.exit_code == 0, done.output
    return config.parent


async def _send(config: Path) -> None:
    now, shop = datetime.now(UTC), DemoShop.create(42, 0.03)
    async with wiring.event_log(LoadedSettings.read(config, {}).settings, "test") as log:
        await send_catalogue(shop, log, now)
        await send_history(shop.events(now), log, lambda done: None)


@pytest.mark.timeout(900)
def test_every_cell_runs_and_the_challenger_has_the_model(shop: Path, tmp_path: Path) -> None:
    cells = tmp_path / "cells.json"
    cells.write_text(json.dumps(CODE))
    environ = os.environ | {"SHOPFLOOR_DATA": str(shop), "MPLBACKEND": "agg"}
    command = [sys.executable, "-c", KERNEL, str(cells)]
    done = subprocess.run(command, cwd=shop, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    trained = json.loads(done.stdout.splitlines()[-1])
    assert (trained["version"], trained["alias"]) == ("2", "challenger")
    assert trained["metrics"]["over_champion.hr_20.low"] <= trained["metrics"]["over_champion.hr_20.high"]
    registry = wiring.model_registry(LoadedSettings.read(shop / "shopfloor.toml", {}).settings)
    assert (registry.version_of("champion"), registry.version_of("challenger")) == ("1", "2")
    assert registry.manifest("2").blends["home"]["my_cosine"] == 0.5


def test_what_a_run_printed_names_no_machine() -> None:
    told = json.dumps([cell.get("outputs") for cell in CELLS])
    assert not any(word in told for word in ("/tmp", "/home", "/work", "/root", "Traceback"))
    assert NOTEBOOK.stat().st_size < 300_000
