from dataclasses import asdict
from typing import Any

import pytest

from feature_repo.errors import Misconfigured
from tests.unit.training.candidate_suite import checker_board
from training.blend import BLENDS
from training.candidates import MODELS
from training.candidates.als import Als, AlsSettings
from training.candidates.covisitation import BoughtTogether
from training.candidates.session_knn import STAN
from training.model_settings import ModelSettings, defaults_of
from training.settings import TrainingSettings


def in_force(**values: Any) -> ModelSettings:
    return ModelSettings.of(TrainingSettings.model_validate(values))


class TestModelSettings:
    def test_without_any_the_defaults_hold(self) -> None:
        settings = in_force()
        assert settings.blends == BLENDS
        assert settings.values("session_knn") == asdict(STAN)
        assert settings.values("bought_together") == asdict(BoughtTogether.defaults)

    def test_what_is_not_named_keeps_the_models_own_default(self) -> None:
        settings = in_force(models={"session_knn": {"k": 50}, "als": {"alpha": 3}})
        assert settings.values("session_knn") == asdict(STAN) | {"k": 50}
        assert isinstance(settings.values("als")["alpha"], float)

    def test_a_placement_has_the_weights_it_is_given_and_no_others(self) -> None:
        settings = in_force(blends={"home": {"als": 1}, "cart/returning": {"popular": 1}})
        assert settings.blends["home"] == {"als": 1.0}
        assert settings.blends["cart/returning"] == {"popular": 1.0}
        assert settings.blends["product"] == BLENDS["product"]

    def test_a_model_is_fitted_with_them(self) -> None:
        model = in_force(models={"als": {"factors": 3}}).fit("als", checker_board(), seed=1)
        assert isinstance(model, Als)
        assert model.factors.shape[1] == 3
        assert model.settings == AlsSettings(factors=3)

    def test_a_changed_value_leaves_the_others(self) -> None:
        changed = in_force(models={"als": {"factors": 3}}).with_values("als", {"alpha": 2.0})
        assert (changed.values("als")["factors"], changed.values("als")["alpha"]) == (3, 2.0)

    @pytest.mark.parametrize(
        ("values", "told"),
        [
            ({"models": {"asl": {}}}, r"training\.models\.asl: there is no such model; known are popular, als"),
            ({"models": {"als": {"factor": 1}}}, r"models\.als\.factor: there is no such setting; known are factors,"),
            ({"models": {"als": {"factors": 1.5}}}, r"models\.als\.factors: .* integer \(got 1\.5\)"),
            ({"models": {"als": {"factors": True}}}, r"models\.als\.factors: .* integer \(got True\)"),
            ({"models": {"als": {"factors": 0}}}, r"models\.als\.factors: .* greater than or equal to 1"),
            ({"models": {"als": {"alpha": float("nan")}}}, r"models\.als\.alpha: .* finite"),
            ({"models": {"covisitation": {"step_decay": 1.1}}}, r"step_decay: .* less than or equal to 1"),
            ({"blends": {"hom": {"als": 1}}}, r"training\.blends\.hom: there is no such placement; known are home,"),
            ({"blends": {"home": {"asl": 1}}}, r"blends\.home\.asl: there is no such model; known are popular, als"),
            ({"blends": {"home": {"als": 0}}}, r"blends\.home: no model has a weight above 0"),
        ],
    )
    def test_what_does_not_fit_is_named_with_what_is_allowed(self, values: dict[str, Any], told: str) -> None:
        with pytest.raises(Misconfigured, match=told):
            in_force(**values)

    @pytest.mark.parametrize("name", [name for name in MODELS if defaults_of(name) is not None])
    def test_the_defaults_of_every_model_lie_within_its_own_bounds(self, name: str) -> None:
        assert in_force(models={name: asdict(defaults_of(name))}).values(name) == asdict(defaults_of(name))
