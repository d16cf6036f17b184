"""A whole training of shops in trouble: each situation has a clear outcome, and none leaves half a version behind."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import BadInput, Refused
from ingestion.contracts.tables import EVENTS_SCHEMA
from tests.unit.training.lake_files import NOON, a_shop, an_event, write_events
from training.blend import BLENDS, propose
from training.bundle import Bundle
from training.dataset import BEGINNING, END
from training.interactions import History
from training.jobs import LOCK, NothingNew, Trained, train
from training.mlflow_client import open_client
from training.promotion import objections, promote
from training.registry import CHALLENGER, CHAMPION, MODEL, ModelRegistry
from training.settings import GateSettings, TrainingSettings

ANY_IDS = (
    "a/b\\c", "'; DROP TABLE lines; --", '"quoted", comma', "zwölf ☕ 茶", " space ", "tab\tline\nend", "nan", "01",
    "1", "1.0", "../..", "<b>|%s{0}", "nul\x00in", "x" * 256,
)  # fmt: skip


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return registry_in(tmp_path)


def registry_in(folder: Path) -> ModelRegistry:
    return ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "cache", folder / "mlartifacts")


def run(
    files: Sequence[str],
    registry: ModelRegistry,
    folder: Path,
    since: datetime = BEGINNING,
    until: datetime = END,
    if_new: bool = False,
) -> Trained:
    settings = TrainingSettings(holdout_share=0.4, margin=0.5)
    clock = lambda: datetime.now(UTC)  # noqa: E731
    return train(files, registry, settings, folder, clock, lambda step, done, total: None, since, until, if_new)


def opened(registry: ModelRegistry, trained: Trained) -> Bundle:
    return Bundle.open(registry.fetch(trained.version), trained.version)


def answer(bundle: Bundle, placement: str, *items: str, kind: Kind = Kind.VIEW, market: int = -1) -> list[str]:
    """What the version proposes after these items."""
    now = int(NOON.timestamp()) + 86_400
    history = History.of([bundle.item_index[item] for item in items], kind, market, now)
    return [str(bundle.item_ids[item]) for item in propose(bundle, placement, history, 10).item]


def test_a_customer_with_a_hundred_thousand_events_is_left_out_however_evenly_they_are_spread(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    number, days = 100_000, 300
    when = pa.array(
        [NOON - timedelta(days=days) + timedelta(days=days) * step / number for step in range(number)],
        EVENTS_SCHEMA.field("event_time").type,
    )
    item = EVENTS_SCHEMA.field("items").type.value_type.field("item_id")
    columns = {
        "event_id": [f"bot {step}" for step in range(number)],
        "event_name": ["view_item"] * number,
        "event_time": when,
        "user_id": ["bot"] * number,
        "items": pa.array([[{"item_id": "bait"}]] * number, pa.list_(pa.struct([item]))),
    }
    pq.write_table(pa.table(columns), tmp_path / "bot.parquet")
    trained = run([*write_events(tmp_path, *a_shop()), str(tmp_path / "bot.parquet")], registry, tmp_path)
    assert [(left_out.customer, left_out.events) for left_out in trained.left_out] == [("u:bot", number)]
    assert trained.manifest.window.users == 60
    assert "Left out as bots: 1; u:bot: 100,000 events" in (registry.fetch("1") / "model_card.md").read_text()
    assert "bait" not in opened(registry, trained).item_index


def test_an_item_in_every_basket_is_not_proposed_with_everything(registry: ModelRegistry, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    baskets = [
        ["bag", *(f"{shelf} {number}" for number in rng.choice(4, 2, replace=False))]
        for shelf in rng.choice(["cup", "pot"], 80)
    ]
    events = [
        an_event(60 * n, basket, "purchase", user_id=f"customer {n}", transaction_id=f"order {n}")
        for n, basket in enumerate(baskets)
    ]
    bundle = opened(registry, run(write_events(tmp_path, *events), registry, tmp_path))
    for placement in ("bought-together", "cart"):
        for shelf in ("cup", "pot"):
            proposed = answer(bundle, placement, f"{shelf} 1", kind=Kind.CART)
            assert [item for item in proposed if item.startswith(shelf)][:1] == proposed[:1], placement
            assert "bag" not in proposed[:3], placement


def test_a_catalogue_of_three_items(registry: ModelRegistry, tmp_path: Path) -> None:
    events = [
        an_event(100 * n + step, "abc"[(n + step) % 3], "purchase" if step else "view_item", user_id=f"customer {n}")
        for n in range(60)
        for step in range(2)
    ]
    bundle = opened(registry, run(write_events(tmp_path, *events), registry, tmp_path))
    assert sorted(bundle.item_index) == ["a", "b", "c"]
    for placement in BLENDS:
        for items in ((), ("a",), ("a", "b", "c")):
            assert set(answer(bundle, placement, *items)) <= set("abc"), placement
    assert answer(bundle, "home", "a")


def test_without_any_purchase_nothing_is_bought_again_and_the_rest_answers(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    views = [event for event in a_shop() if event["event_name"] == "view_item"]
    bundle = opened(registry, run(write_events(tmp_path, *views), registry, tmp_path))
    assert answer(bundle, "buy-again", "a", "b") == []
    assert set(answer(bundle, "home", "a")) & set("bcd")


def test_ids_of_any_characters_come_back_as_they_were(registry: ModelRegistry, tmp_path: Path) -> None:
    events = [
        an_event(60 * n + step, ANY_IDS[(n + step) % len(ANY_IDS)], user_id=f"{ANY_IDS[n % len(ANY_IDS)]}{n}",
                 session_id=ANY_IDS[n % len(ANY_IDS)] + str(n), event_id=f"{n}/{step}")
        for n in range(70)
        for step in range(3)
    ]  # fmt: skip
    trained = run(write_events(tmp_path, *events), registry, tmp_path)
    bundle = opened(registry, trained)
    assert set(bundle.item_index) == set(ANY_IDS)
    assert ANY_IDS[1] in answer(bundle, "home", ANY_IDS[0])
    assert trained.manifest.window.users == 70


def test_a_market_without_data_is_answered_from_all_others(registry: ModelRegistry, tmp_path: Path) -> None:
    bundle = opened(registry, run(write_events(tmp_path, *a_shop()), registry, tmp_path))
    assert "FR" not in bundle.markets
    unknown = -1
    assert answer(bundle, "home", market=unknown)
    assert set(answer(bundle, "product", "a", market=unknown)) & set("bcd")


def test_an_empty_window_is_refused_with_what_there_is_instead(registry: ModelRegistry, tmp_path: Path) -> None:
    files = write_events(tmp_path, *a_shop())
    (tmp_path / "data").mkdir()
    with pytest.raises(BadInput, match=r"180 events lie between 2026-03-01 12:00 and 2026-03-03 .* widen --since"):
        run(files, registry, tmp_path / "data", since=NOON + timedelta(days=90))
    assert registry.version_of(CHALLENGER) is None
    assert [path.name for path in (tmp_path / "data").iterdir()] == [LOCK]


@pytest.mark.parametrize(
    ("since", "until", "checks"),
    [
        pytest.param(NOON + timedelta(hours=40), END, {"drop"}, id="a short window"),
        pytest.param(BEGINNING, NOON + timedelta(hours=45), {"older"}, id="an old window"),
    ],
)
def test_a_version_of_poorer_data_than_the_champions_is_refused_though_it_compares_as_equal(
    registry: ModelRegistry, tmp_path: Path, since: datetime, until: datetime, checks: set[str]
) -> None:
    files = write_events(tmp_path, *a_shop())
    run(files, registry, tmp_path)
    trained = run(files, registry, tmp_path, since, until)
    assert trained.manifest.metrics["over_champion.hr_20"] == 0
    permissive = GateSettings(slice_loss=0.9, least_coverage=0, most_shift=99)
    with pytest.raises(Refused) as refusal:
        promote(registry, CHALLENGER, 0.5, permissive)
    assert {reason["check"] for reason in refusal.value.details["reasons"]} == checks


KILLED = """
import os, signal, sys
from datetime import UTC, datetime
from mlflow.tracking import MlflowClient
from pathlib import Path
from tests.integration.test_training_trouble import registry_in
from training.jobs import train
from training.settings import TrainingSettings

folder, fatal = Path(sys.argv[1]), sys.argv[2]

def progress(step, done, total):
    if step == fatal:
        os.kill(os.getpid(), signal.SIGKILL)

def after(method):
    def call(*args, **kwargs):
        method(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

if hasattr(MlflowClient, fatal):
    setattr(MlflowClient, fatal, after(getattr(MlflowClient, fatal)))
train(sys.argv[3:], registry_in(folder), TrainingSettings(), folder, lambda: datetime.now(UTC), progress)
"""


@pytest.mark.parametrize("step", ["fit on everything", "log_model_artifacts"])
def test_a_killed_training_leaves_no_version_and_the_next_one_clears_up(
    registry: ModelRegistry, tmp_path: Path, step: str
) -> None:
    files = write_events(tmp_path, *a_shop())
    root = str(Path(__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), step, *files], cwd=root, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert registry.version_of(CHALLENGER) is None
    assert registry.version_of(CHAMPION) is None
    assert run(files, registry, tmp_path).version == "1"
    assert not list(tmp_path.glob(".training-*"))
    client = open_client(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name(MODEL).experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "KILLED"][: 1 + (step == "log_model_artifacts")]


@pytest.mark.parametrize("call", ["challenge", "promote"])
def test_a_first_training_that_dies_before_there_is_a_champion_is_not_the_last(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The registry is left as by a kill: what comes before each of these calls is written, nothing after it."""
    files = write_events(tmp_path, *a_shop())
    with monkeypatch.context() as dying:
        dying.setattr(ModelRegistry, call, lambda *told: sys.exit("killed"))
        with pytest.raises(SystemExit):
            run(files, registry, tmp_path)
    assert registry.version_of(CHAMPION) is None
    trained = run(files, registry, tmp_path, if_new=True)
    assert (trained.version, trained.promoted) == ("2", True)
    assert registry.version_of(CHAMPION) == "2"
    with pytest.raises(NothingNew):
        run(files, registry, tmp_path, if_new=True)


def test_a_champion_of_an_older_contract_gives_way_to_what_surely_beats_popularity(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_events(tmp_path, *a_shop())
    with monkeypatch.context() as earlier:
        earlier.setattr("training.bundle.CONTRACT_VERSION", 0)
        run(files, registry, tmp_path)
    trained = run(files, registry, tmp_path)
    assert not any(name.startswith("over_champion") for name in trained.manifest.metrics)
    worse = trained.manifest.model_copy(
        update={"metrics": trained.manifest.metrics | {"over_popular.mrr_20.low": -0.1}}
    )
    (objection,) = objections(worse, "1", 0.5, GateSettings())
    assert "over_popular.mrr_20" in objection.reason
    assert promote(registry, CHALLENGER, 0.5, GateSettings()) == trained.version
