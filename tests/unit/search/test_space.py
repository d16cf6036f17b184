from dataclasses import asdict

import pytest

from training.candidates import MODELS
from training.model_settings import ModelSettings, defaults_of
from training.search.space import LEAST_WEIGHT, SPACES, WEIGHT, Choice
from training.settings import TrainingSettings, Value


@pytest.mark.parametrize("name", SPACES)
class TestSpaceOfAModel:
    def test_every_setting_it_varies_exists(self, name: str) -> None:
        assert name in MODELS
        assert set(SPACES[name]) <= set(asdict(defaults_of(name)))

    def test_both_its_ends_are_within_the_models_own_bounds(self, name: str) -> None:
        defaults = asdict(defaults_of(name))
        for end in (0, 1):
            values: dict[str, Value] = {}
            for field, where in SPACES[name].items():
                ends = where.values if isinstance(where, Choice) else (where.low, where.high)
                values[field] = type(defaults[field])(ends[end])
            ModelSettings.of(TrainingSettings(models={name: values}))


def test_the_least_weight_leaves_room_below_for_models_that_do_not_count() -> None:
    assert WEIGHT.low < LEAST_WEIGHT < WEIGHT.high
