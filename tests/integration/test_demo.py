"""``shopfloor demo``: the whole way on a small shop, and how it ends when something goes wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = pytest.mark.slow

PATIENCE = 280.0


def demo(folder: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "shopfloor", "demo", "--data", str(folder), "--scale", "0.1", *options]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHOPFLOOR_")}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def processes_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "shopfloor.child" in words and any(str(folder) in word for word in words):
            found.append(process)
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, str]:
    """The result of one demo as JSON, its folder, and what it wrote to standard error."""
    folder = tmp_path_factory.mktemp("once") / "demo"
    process = demo(folder, "--once", "--json")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return json.loads(out), folder, err


class TestOnce:
    def test_three_clicks_change_what_the_customer_is_recommended(self, told: tuple[dict[str, Any], Path, str]) -> None:
        result, _, _ = told
        assert len(result["clicked"]) == len(result["seconds_to_change"]) == 3
        before = [item["item_id"] for item in result["before"]["items"][:10]]
        after = [item["item_id"] for item in result["after"]["items"][:10]]
        assert len(before) == len(after) == 10
        assert set(after) - set(before)
        assert all(item["name"] and item["price"] and item["reason"] for item in result["after"]["items"])
        assert result["before"]["model_version"] == result["after"]["model_version"] is not None
        assert not result["after"]["degraded"]

    def test_tells_how_the_champion_compares_with_popularity_with_an_interval(
        self, told: tuple[dict[str, Any], Path, str]
    ) -> None:
        comparison = told[0]["comparison"]
        assert comparison["over_popular.hr_20.low"] <= comparison["over_popular.hr_20"]
        assert comparison["over_popular.hr_20"] <= comparison["over_popular.hr_20.high"]
        assert comparison["over_popular.hr_20"] > 0

    def test_leaves_no_process_and_a_folder_to_go_on_with(self, told: tuple[dict[str, Any], Path, str]) -> None:
        result, folder, _ = told
        assert not processes_of(folder)
        assert (folder / "shopfloor.toml").exists()
        assert str(folder / "shopfloor.toml") in result["addresses"]["go on with it"]
        assert "session" in Path(result["addresses"]["how the model compares"]).read_text()

    def test_says_in_a_plain_log_what_it_does(self, told: tuple[dict[str, Any], Path, str]) -> None:
        steps = [line for line in told[2].splitlines() if "done in" in line]
        assert len(steps) >= 8
        assert "\x1b" not in told[2]


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    process = demo(tmp_path, "--once")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 73
    assert "--data" in err
    assert [entry.name for entry in tmp_path.iterdir()] == ["precious.txt"]


def test_a_port_in_use_is_a_conflict(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = demo(tmp_path / "demo", "--once", "--port", str(taken.getsockname()[1]))
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 73
    assert "port" in err


def test_a_failing_step_names_itself_and_the_log_file_and_leaves_no_process(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = demo(folder, "--once")
    until = time.monotonic() + PATIENCE
    while not (folder / "lake").exists() and time.monotonic() < until:
        time.sleep(0.02)
    (folder / "features").write_text("a file where the folder of the feature tables should be")
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 70
    assert "step `features" in err
    assert str(folder / "logs" / "materialize.log") in err.replace("\n", "")
    assert not processes_of(folder)


def test_interrupted_it_stops_everything(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    process = demo(folder)
    until = time.monotonic() + PATIENCE
    while len(processes_of(folder)) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert not processes_of(folder)
