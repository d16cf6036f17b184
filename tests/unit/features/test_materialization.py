"""From the lake to the online store, once and again."""

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from feast import FeatureStore

import feature_repo
from feature_repo.batch import LakeFiles
from feature_repo.errors import Conflict, Corrupt, Misconfigured
from feature_repo.layout import VIEWS
from feature_repo.materialization import materialize
from feature_repo.opening import open_online_features
from tests.unit.features.lake_files import at, event_at, lake_files, product_at, purchase_at

NOW = at(20)


@pytest.fixture
def lake(tmp_path: Path) -> LakeFiles:
    events = [event_at(at(2)), purchase_at(at(2), "milk"), purchase_at(at(9), "wine", user_id="bert")]
    product = product_at(at(1), json.dumps({"item_id": "milk", "name": "Milk", "price": 1, "currency": "EUR"}).encode())
    return lake_files(tmp_path / "lake", events, [product])


async def _bought(data: Path, user: str) -> tuple[str, ...]:
    online = open_online_features(str(data / "online.db"), data)
    profile = (await online.read_customer(user, None)).profile
    await online.close()
    return () if profile is None else profile.bought_items


async def test_the_same_run_again_gives_the_same(lake: LakeFiles, tmp_path: Path) -> None:
    counts = [
        materialize(lake, str(tmp_path / "online.db"), tmp_path, NOW + timedelta(hours=hour)) for hour in range(2)
    ]
    assert counts[0] == counts[1]
    assert counts[0]["online"] == {"user_profile": 2, "item_stats": 3, "item_catalog": 1}
    assert await _bought(tmp_path, "anna") == ("milk",)


async def test_a_second_order_is_online_after_the_next_run(lake: LakeFiles, tmp_path: Path) -> None:
    materialize(lake, str(tmp_path / "online.db"), tmp_path, NOW)
    more = lake_files(tmp_path / "more", [purchase_at(at(21), "bread")])
    grown = LakeFiles([*lake.events, *more.events], lake.products)
    counts = materialize(grown, str(tmp_path / "online.db"), tmp_path, at(22), since=at(20))
    assert counts["online"] == {"user_profile": 1, "item_stats": 1, "item_catalog": 0}, "only what is new since then"
    assert await _bought(tmp_path, "anna") == ("bread", "milk")
    assert await _bought(tmp_path, "bert") == ("wine",)


def test_an_online_store_that_is_no_database(lake: LakeFiles, tmp_path: Path) -> None:
    (tmp_path / "online.db").write_text("garbage " * 1000)
    with pytest.raises(Corrupt, match=r"online\.db is no readable SQLite file .*move it away, then run shopfloor mat"):
        materialize(lake, str(tmp_path / "online.db"), tmp_path, NOW)


def test_a_data_folder_that_is_a_file(lake: LakeFiles, tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(Misconfigured, match="SHOPFLOOR_DATA"):
        materialize(lake, str(tmp_path / "online.db"), tmp_path / "data", NOW)
    with pytest.raises(Misconfigured, match="SHOPFLOOR_DATA or SHOPFLOOR_ONLINE"):
        open_online_features(str(tmp_path / "data" / "online.db"), tmp_path / "data")


def test_two_at_once(lake: LakeFiles, tmp_path: Path) -> None:
    with (tmp_path / "materialize.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match=r"another materialisation"):
            materialize(lake, str(tmp_path / "online.db"), tmp_path, NOW)


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
from feature_repo.batch import LakeFiles
from feature_repo.materialization import materialize

def kill_itself(step, done, total):
    if step == sys.argv[5]:
        os.kill(os.getpid(), signal.SIGKILL)

data = Path(sys.argv[1])
materialize(
    LakeFiles([sys.argv[2]], [sys.argv[3]]), str(data / "online.db"), data, datetime.fromisoformat(sys.argv[4]),
    progress=kill_itself,
)
"""


@pytest.mark.parametrize("step", ["compute user_profile", "write item_stats"])
async def test_killed_in_the_middle_and_run_again(lake: LakeFiles, tmp_path: Path, step: str) -> None:
    arguments = [str(tmp_path), *lake.events, *lake.products, NOW.isoformat(), step]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    counts = materialize(lake, str(tmp_path / "online.db"), tmp_path, NOW)
    assert counts["online"] == {"user_profile": 2, "item_stats": 3, "item_catalog": 1}
    assert await _bought(tmp_path, "anna") == ("milk",)


def test_feast_apply_runs_unchanged_in_the_feature_repo(tmp_path: Path) -> None:
    """On a copy, so that its data folder is the test's; nothing but the place differs."""
    shutil.copytree(Path(feature_repo.__file__).parent, tmp_path / "feature_repo")
    done = subprocess.run(
        [Path(sys.executable).with_name("feast"), "apply"],
        cwd=tmp_path / "feature_repo",
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = FeatureStore(repo_path=str(tmp_path / "feature_repo"))
    assert {view.name for view in store.list_feature_views()} == {view.name for view in VIEWS}
    assert (tmp_path / ".shopfloor" / "online.db").exists()
