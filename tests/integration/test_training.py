"""A training from the lake's files into a real MLflow store, killed, doubled and in bad shops."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from feature_repo.errors import BadInput, Conflict, Misconfigured
from tests.unit.training.lake_files import NOON, a_shop, an_event, write_events, write_products, write_taxonomy
from training.assortment import NO_CATALOGUE, CatalogueFiles
from training.blend import propose
from training.bundle import Bundle
from training.candidates.als import Als, AlsSettings
from training.interactions import History
from training.jobs import LOCK, NothingNew, Trained, only_training, train
from training.mlflow_client import open_client
from training.promotion import promote
from training.registry import CHALLENGER, CHAMPION, MODEL, ModelRegistry
from training.settings import GateSettings, TrainingSettings


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "cache", tmp_path / "mlartifacts")


def run(
    files: list[str],
    registry: ModelRegistry,
    folder: Path,
    *,
    seed: int = 42,
    if_new: bool = False,
    warm_start: bool = True,
    catalogue: CatalogueFiles = NO_CATALOGUE,
) -> Trained:
    # The margin of a shop of sixty customers is wide.
    settings = TrainingSettings(most_events_a_day=100, holdout_share=0.4, margin=0.5, seed=seed, warm_start=warm_start)
    clock, progress = lambda: datetime.now(UTC), lambda step, done, total: None
    return train(files, registry, settings, folder, clock, progress, if_new=if_new, catalogue=catalogue)


def test_the_first_version_is_champion_and_the_next_ones_challenge_it(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    first, second = run(files, registry, tmp_path), run(files, registry, tmp_path)
    assert (first.promoted, second.promoted) == (True, False)
    assert registry.version_of(CHAMPION) == first.version
    assert registry.version_of(CHALLENGER) == second.version
    assert first.manifest.metrics["over_popular.mrr_20.low"] > 0
    assert second.manifest.metrics["over_champion.mrr_20"] == 0
    assert promote(registry, CHALLENGER, 0.5, GateSettings()) == second.version
    assert registry.rollback() == first.version
    bundle = Bundle.open(registry.fetch(second.version), second.version)
    assert set("abcdwxyz") == set(bundle.item_ids.tolist())
    assert bundle.manifest.window.users == 60
    pages = [path.read_text() for path in (tmp_path / "mlartifacts").rglob("report.html")]
    assert len(pages) == 2
    assert sum(" over version in use" in page or "version in use over " in page for page in pages) == 1


def test_the_page_of_a_training_tells_of_money_and_product_lines(registry: ModelRegistry, tmp_path: Path) -> None:
    products = [{"item_id": item, "category_id": "12", "price": 3.0, "currency": "EUR"} for item in "abcd"]
    products += [{"item_id": item, "category_id": "13", "price": 9.0, "currency": "EUR"} for item in "wxyz"]
    names = {"12": "Teapots", "13": "Lamps"}
    tree = write_taxonomy(tmp_path, {"12": None, "13": None}, names=names)
    catalogue = CatalogueFiles(write_products(tmp_path, *products), tree)
    run(write_events(tmp_path, *a_shop()), registry, tmp_path, catalogue=catalogue)
    (page,) = (path.read_text() for path in (tmp_path / "mlartifacts").rglob("report.html"))
    assert all(f"category={line}<" in page for line in names.values())
    assert "revenue@20" in page
    assert "session=1<" in page


def test_a_version_carries_its_evidence_and_its_card(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    run(files, registry, tmp_path)
    version = run(files, registry, tmp_path).version
    evidence = registry.manifest(version).evidence
    assert evidence is not None
    assert evidence.shift is not None
    assert evidence.shift.drop == max(evidence.shift.psi.values()) == 0
    assert evidence.coverage == evidence.champion_coverage
    assert evidence.proposal_ms is not None
    assert 0 < evidence.proposal_ms < 1000
    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    artifacts = {file.path for file in client.list_artifacts(client.get_model_version(MODEL, version).run_id)}
    assert {"model_card.md", "model_card.json"} <= artifacts
    card = (registry.fetch(version) / "model_card.md").read_text()
    for heading in ("## Data", "## Accuracy", "## Slices", "## Limits", "## How it was made"):
        assert heading in card
    assert "180 interactions in 60 sessions of 60 customers with 8 items" in card


def test_a_training_on_schedule_stops_early_when_nothing_new_came(registry: ModelRegistry, tmp_path: Path) -> None:
    events = a_shop()
    first = run(write_events(tmp_path, *events), registry, tmp_path)
    files = write_events(tmp_path, *events)
    with pytest.raises(NothingNew, match=f"since version {first.version} was trained"):
        run(files, registry, tmp_path, if_new=True)
    assert registry.version_of(CHALLENGER) == first.version
    assert run(files, registry, tmp_path, seed=7, if_new=True).version == "2"
    files = write_events(tmp_path, *events, an_event(10_000, "a", user_id="late"))
    assert run(files, registry, tmp_path, seed=7, if_new=True).version == "3"


def test_a_bot_is_left_out_and_named(registry: ModelRegistry, tmp_path: Path) -> None:
    bot = [an_event(second / 60, "bait", user_id="bot", event_id=f"bot {second}") for second in range(101)]
    trained = run(write_events(tmp_path, *a_shop(), *bot), registry, tmp_path)
    assert [left_out.customer for left_out in trained.left_out] == ["u:bot"]
    assert "bait" not in Bundle.open(registry.fetch(trained.version), "1").item_index


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([an_event(0, "a")], id="one event"),
        pytest.param([an_event(0, list("abc"), event_id=str(n), user_id=str(n)) for n in range(30)], id="same second"),
        pytest.param([an_event(100 * n, "abc"[n % 3], market=None) for n in range(30)], id="one customer, no market"),
        pytest.param([event for event in a_shop() if event["event_name"] == "view_item"], id="no purchases"),
        pytest.param(
            [an_event(n, ["bag", f"item {n % 5}"], user_id=str(n)) for n in range(40)], id="one in every basket"
        ),
    ],
)
def test_a_shop_with_strange_data_gets_a_version_that_answers(
    events: list[dict[str, object]], registry: ModelRegistry, tmp_path: Path
) -> None:
    trained = run(write_events(tmp_path, *events), registry, tmp_path)
    bundle = Bundle.open(registry.fetch(trained.version), trained.version)
    known, now = range(len(bundle.item_ids)), int(NOON.timestamp()) + 86_400
    for seen in ([], list(known[:1]), list(known[:3])):
        found = propose(bundle, "home", History.of(seen, now=now), 10)
        assert set(found.item.tolist()) <= set(known)
        assert len(set(found.item.tolist())) == len(found.item) == len(found.score) > 0
        assert np.isfinite(found.score).all()
        assert (found.score > 0).all()


def test_an_empty_lake_leaves_nothing_behind(registry: ModelRegistry, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        run([], registry, tmp_path)
    assert registry.version_of(CHALLENGER) is None
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_second_training_at_once_is_told_who_is_first(registry: ModelRegistry, tmp_path: Path) -> None:
    with only_training(tmp_path), pytest.raises(Conflict, match=f"process {os.getpid()}"):
        run([], registry, tmp_path)
    with only_training(tmp_path):
        pass


def test_the_lock_of_a_killed_training_is_free(tmp_path: Path) -> None:
    code = (
        "import sys, time, pathlib; from training.jobs import only_training\n"
        "with only_training(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(Conflict, match=str(holder.pid)), only_training(tmp_path):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with only_training(tmp_path):
        pass


def test_where_customers_come_back_and_buy_their_next_order_is_foretold_too(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    again = [an_event(4_000 + n, "abcd"[n % 4], "purchase", user_id=f"customer {n}") for n in range(60)]
    metrics = run(write_events(tmp_path, *a_shop(), *again), registry, tmp_path).manifest.metrics
    assert metrics["returning.recall_20"] > 0
    assert metrics["returning.recall_20"] - metrics["popular.recall_20"] == pytest.approx(
        metrics["over_popular.recall_20"]
    )


def test_models_are_fitted_and_blended_as_the_settings_say(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    settings = TrainingSettings(models={"als": {"factors": 3}}, blends={"home": {"als": 1.0, "popular": 0.0}})
    clock, progress = lambda: datetime.now(UTC), lambda step, done, total: None
    trained = train(files, registry, settings, tmp_path, clock, progress)
    bundle = Bundle.open(registry.fetch(trained.version), trained.version)
    assert isinstance(bundle.models["als"], Als)
    assert bundle.models["als"].settings == AlsSettings(factors=3)
    assert bundle.blends["home"] == {"als": 1.0}
    with pytest.raises(NothingNew):
        train(files, registry, settings, tmp_path, clock, progress, if_new=True)
    again = train(files, registry, TrainingSettings(), tmp_path, clock, progress, if_new=True)
    assert again.manifest.settings["models"] == {}


def test_a_champion_is_compared_with_the_settings_that_it_has(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    common = {"holdout_share": 0.4, "ranker_questions": 0, "blends": {"home": {"covisitation": 1.0}}}
    nothing_counts = {"view": 0.0, "wish": 0.0, "cart": 0.0, "buy": 0.0}
    clock, progress = lambda: datetime.now(UTC), lambda step, done, total: None
    for models in ({}, {"covisitation": nothing_counts}):
        settings = TrainingSettings.model_validate(common | {"models": models})
        metrics = train(files, registry, settings, tmp_path, clock, progress).manifest.metrics
    assert metrics["home.hr_20"] == 0
    assert metrics["champion.hr_20"] > 0
    assert metrics["over_champion.hr_20.high"] < 0


def test_what_is_served_goes_on_from_the_champion_and_what_is_compared_does_not(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    files = write_events(tmp_path, *a_shop())
    first, second = run(files, registry, tmp_path), run(files, registry, tmp_path)
    anew = run(files, registry, tmp_path, warm_start=False)
    assert [each.manifest.started_from for each in (first, second, anew)] == [{}, {"als": first.version}, {}]
    assert f"als with that of version {first.version}" in (registry.fetch(second.version) / "model_card.md").read_text()
    models = [Bundle.open(registry.fetch(each.version), each.version).models["als"] for each in (first, second, anew)]
    begun, going_on, once_more = (model.factors for model in models if isinstance(model, Als))
    np.testing.assert_array_equal(begun, once_more)
    assert not np.array_equal(begun, going_on)
    compared, anew_compared = ({**each.manifest.metrics, "home.proposal_ms": 0} for each in (second, anew))
    assert compared == anew_compared


def test_a_champion_that_cannot_be_read_is_not_gone_on_from(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    run(files, registry, tmp_path)
    for array in (*(tmp_path / "mlartifacts").rglob("factors.npy"), *(tmp_path / "cache").rglob("factors.npy")):
        array.write_bytes(b"rubbish")
    assert run(files, registry, tmp_path).manifest.started_from == {}


def test_a_wrong_setting_of_a_model_is_told_before_anything_is_read(registry: ModelRegistry, tmp_path: Path) -> None:
    settings = TrainingSettings(models={"als": {"factor": 3}})
    with pytest.raises(Misconfigured, match=r"training\.models\.als\.factor: .* known are factors"):
        train([], registry, settings, tmp_path, lambda: datetime.now(UTC), lambda step, done, total: None)
