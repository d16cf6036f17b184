"""A shop's own model, as docs/evaluation.md adds it: one file beside ``shopfloor.toml``, one line in it."""

import re
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from feature_repo.errors import Corrupt, Misconfigured
from shopfloor import wiring
from shopfloor.settings import LoadedSettings, Settings
from tests.unit.training.lake_files import a_shop, write_events
from training.blend import propose
from training.bundle import Bundle
from training.interactions import History
from training.jobs import Trained, train
from training.registry import ModelRegistry

GUIDE = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
FILE = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)[0]
LINE = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[0]


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shop of one test imports is not there in the next."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delitem(sys.modules, "followers", raising=False)


def settings_of(folder: Path, text: str = LINE) -> Settings:
    (folder / "shopfloor.toml").write_text(f'data = "."\n{text}\nholdout_share = 0.4\nmargin = 0.5\n')
    return LoadedSettings.read(folder / "shopfloor.toml", {}).settings


def trained(folder: Path, settings: Settings) -> tuple[ModelRegistry, Trained]:
    registry, files = wiring.model_registry(settings), write_events(folder, *a_shop())
    found = train(files, registry, settings.training, folder, lambda: datetime.now(UTC), lambda step, done, total: None)
    return registry, found


def test_one_file_and_one_line_train_it_and_let_it_propose(tmp_path: Path) -> None:
    (tmp_path / "followers.py").write_text(FILE)
    registry, found = trained(tmp_path, settings_of(tmp_path))
    assert "followers" in found.manifest.models
    assert found.manifest.blends["home"]["followers"] == 0.3
    bundle = Bundle.open(registry.fetch(found.version), found.version, registry.classes)
    history = History.of([bundle.item_index["a"]])
    followed = bundle.models["followers"].propose(history, 3)
    assert bundle.item_ids[followed.item].tolist() == ["b"]
    assert followed.item[0] in propose(bundle, "home", history, 3).item


def test_a_service_whose_settings_do_not_know_it_refuses_the_version(tmp_path: Path) -> None:
    (tmp_path / "followers.py").write_text(FILE)
    _, found = trained(tmp_path, settings_of(tmp_path))
    registry = wiring.model_registry(settings_of(tmp_path, "[training]"))
    with pytest.raises(Corrupt, match=r"needs the model 'followers', which this program does not have; .*own_models"):
        registry.fetch(found.version)


def test_without_the_file_the_setting_is_named_and_nothing_is_trained(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with pytest.raises(Misconfigured, match=r"own_models\.followers: followers:Followers cannot be imported"):
        trained(tmp_path, settings)
    assert wiring.model_registry(settings).version_of("champion") is None
