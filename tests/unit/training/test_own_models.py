import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from feature_repo.errors import Corrupt, Misconfigured
from tests.unit.training.bundles import a_bundle
from tests.unit.training.candidate_suite import checker_board
from training.blend import BLENDS
from training.bundle import Bundle
from training.model_settings import ModelSettings
from training.models import MODELS
from training.own_models import WithOwn
from training.settings import OwnModel, TrainingSettings

MODEL = """
from training.candidates.popular import Popular

class Mine(Popular):
    name = "mine"

class Nameless(Popular):
    pass

class Half:
    name = "half"
    fit = propose = print
"""

Named = Callable[..., WithOwn]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Named:
    """The program's models and those of a module ``of_a_shop``."""
    (tmp_path / "of_a_shop.py").write_text(MODEL)
    (tmp_path / "broken_of_a_shop.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "of_a_shop", raising=False)
    return lambda **paths: WithOwn(MODELS, {name: OwnModel(path=path) for name, path in paths.items()})


class TestWithOwn:
    def test_a_model_of_the_shop_stands_beside_those_of_the_program(self, own: Named) -> None:
        models = own(mine="of_a_shop:Mine")
        assert list(models) == [*MODELS, "mine"]
        assert len(models) == len(MODELS) + 1
        assert models["mine"].name == "mine"
        assert models["als"] is MODELS["als"]

    def test_only_its_name_is_needed_to_know_of_it(self, own: Named) -> None:
        assert "broken" in own(broken="broken_of_a_shop:Broken")
        assert "broken_of_a_shop" not in sys.modules

    @pytest.mark.parametrize(
        ("name", "path", "told"),
        [
            ("mine", "of_no_shop:Mine", r"own_models\.mine: of_no_shop:Mine cannot be imported: ModuleNotFoundError"),
            ("mine", "of_a_shop:Mien", r"own_models\.mine: of_a_shop:Mien cannot be imported: AttributeError"),
            ("broken", "broken_of_a_shop:Broken", r"cannot be imported: ZeroDivisionError"),
            ("half", "of_a_shop:Half", r"of_a_shop:Half is no candidate model, for it lacks because, save, load;"),
            ("nameless", "of_a_shop:Nameless", r"of_a_shop:Nameless calls itself 'popular'"),
        ],
    )
    def test_what_cannot_be_used_is_named(self, own: Named, name: str, path: str, told: str) -> None:
        with pytest.raises(Misconfigured, match=told):
            own(**{name: path})[name]

    def test_a_name_of_the_program_is_not_taken(self, own: Named) -> None:
        with pytest.raises(Misconfigured, match=r"own_models\.als: the program has a model of this name"):
            own(als="of_a_shop:Mine")


@pytest.mark.usefixtures("own")
class TestModelSettings:
    def in_force(self, **values: Any) -> ModelSettings:
        return ModelSettings.of(TrainingSettings.model_validate(values))

    def test_a_weight_adds_the_model_to_the_default_blend(self) -> None:
        weights = {"home": 0.5, "cart/returning": 0.2}
        settings = self.in_force(own_models={"mine": {"path": "of_a_shop:Mine", "weights": weights}})
        assert settings.blends["home"] == {**BLENDS["home"], "mine": 0.5}
        assert settings.blends["cart/returning"] == {**BLENDS["cart"], "mine": 0.2}
        assert settings.blends["product"] == BLENDS["product"]

    def test_a_blend_of_the_shop_is_left_as_it_is(self) -> None:
        mine = {"path": "of_a_shop:Mine", "weights": {"home": 0.5}}
        settings = self.in_force(own_models={"mine": mine}, blends={"home": {"als": 1.0}, "cart": {"mine": 1.0}})
        assert settings.blends["home"] == {"als": 1.0}
        assert settings.blends["cart"] == {"mine": 1.0}

    def test_it_is_fitted_and_has_its_settings_as_any_other(self) -> None:
        settings = self.in_force(
            own_models={"mine": {"path": "of_a_shop:Mine"}}, models={"mine": {"half_life_days": 3}}
        )
        assert settings.fit("mine", checker_board(), seed=1).name == "mine"
        assert settings.values("mine")["half_life_days"] == 3

    @pytest.mark.parametrize(
        ("mine", "told"),
        [
            ({"path": "of_no_shop:Mine"}, r"own_models\.mine: of_no_shop:Mine cannot be imported"),
            ({"path": "of_a_shop:Mine", "weights": {"hom": 1}}, r"own_models\.mine\.weights\.hom: there is no such"),
        ],
    )
    def test_what_does_not_fit_is_refused_before_anything_is_fitted(self, mine: dict[str, Any], told: str) -> None:
        with pytest.raises(Misconfigured, match=told):
            self.in_force(own_models={"mine": mine})


class TestBundle:
    def test_a_bundle_does_not_say_whose_code_is_run(self, own: Named, tmp_path: Path) -> None:
        """It names a model; where the settings do not know it, nothing is imported."""
        folder = tmp_path / "bundle"
        a_bundle(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["models"].append("of_a_shop:Mine")
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(Corrupt, match="needs the model 'of_a_shop:Mine', which this program does not have"):
            Bundle.open(folder, "1", own(mine="of_a_shop:Mine"))
        assert "of_a_shop" not in sys.modules
