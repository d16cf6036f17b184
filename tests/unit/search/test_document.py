import tomllib

from training.evaluation.bootstrap import Interval
from training.model_settings import ModelSettings
from training.search.document import as_toml, changes
from training.search.held_out import Difference
from training.settings import TrainingSettings

FOUND = Difference("home/returning", 500, 0.1, 0.15, Interval(0.05, 0.01, 0.09))


def test_what_is_written_is_read_back_as_what_was_found() -> None:
    set_by_shop = TrainingSettings(models={"als": {"factors": 64}}, blends={"cart": {"popular": 1.0}})
    found = ModelSettings.of(set_by_shop).with_values("session_knn", {"cosine": True, "idf": 1e-05})
    found.blends["home/returning"] = {"als": 1.0, "popular": 0.004}  # type: ignore[index]
    text = as_toml(found, [FOUND], "made by a test")
    read = tomllib.loads(text)["training"]
    assert read["blends"] == {"cart": {"popular": 1.0}, "home/returning": {"als": 1.0, "popular": 0.004}}
    assert ModelSettings.of(TrainingSettings.model_validate(read)) == found
    assert "# home/returning: NDCG@20 0.1000 in force, 0.1500 here, difference +0.0500 (+0.0100 … +0.0900)" in text


def test_settings_that_are_the_defaults_are_not_repeated() -> None:
    assert changes(ModelSettings.of(TrainingSettings(models={"als": {"factors": 128}}))) == ({}, {})
