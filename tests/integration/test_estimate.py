"""``shopfloor estimate`` from a real lake and registry: exposures and events in, a challenger's worth out."""

import json
import random
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from feature_repo.errors import BadInput, NotFound
from ingestion.contracts.tables import EVENTS_SCHEMA, EXPOSURES_SCHEMA
from ingestion.sinks.lake import Lake, Source
from serving.exploration import explored
from serving.hindsight import PastCustomers, answers_of, catalogue_of
from serving.settings import ServingSettings
from shopfloor.cli import app
from tests.unit.serving.shop import NOW, TEA, TENTS, product, write_model
from training.bundle import Bundle
from training.logged_answers import Reward, read_answers, read_histories
from training.registry import ModelRegistry

SHOWN = 3


def an_event(number: int, minute: float, name: str, item_id: str, **changes: Any) -> dict[str, Any]:
    when = NOW + timedelta(minutes=minute)
    told = {"event_id": f"e{number}", "event_name": name, "event_time": when, "received_at": when}
    return told | {"items": [{"item_id": item_id}], "event_date": when.date(), "market": "DE"} | changes


def an_exposure(
    number: int, minute: float, customer: str, items: list[str], propensities: list[float]
) -> dict[str, Any]:
    when = NOW + timedelta(minutes=minute)
    slots = [
        {"item_id": item, "position": at, "score": 1.0, "propensity": propensity, "reason": ""}
        for at, (item, propensity) in enumerate(zip(items, propensities, strict=True))
    ]
    told = {"recommendation_id": f"r{number}", "shown_at": when, "customer_key": customer, "placement": "home"}
    return told | {"market": "DE", "items": slots, "degraded": [], "exposure_date": when.date()}


def add(lake: Lake, table: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    """Put the rows behind those that the table has."""
    source = Source("log", table)
    begin = lake.offsets(table, source, [0]).get(0, 0)
    placed = [row | {"log_partition": 0, "log_offset": offset} for offset, row in enumerate(rows, begin)]
    lake.append(table, pa.Table.from_pylist(placed, schema=schema), source, {0: begin + len(rows)})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """200 customers looked at a tent, were then shown tea with now and then a tent, and clicked on tents alone."""
    rng = random.Random(4)
    events: list[dict[str, Any]] = []
    exposures: list[dict[str, Any]] = []
    for n in range(200):
        events.append(an_event(len(events), n, "view_item", TENTS[0], user_id=f"c{n}"))
        shown, propensities = explored(TEA[:SHOWN], TENTS[1:], 0, 0.4, rng)
        exposures.append(an_exposure(n, n + 1, f"u:c{n}", shown, propensities))
        for item in set(shown) & set(TENTS):
            clicked = {"user_id": f"c{n}", "recommendation_id": f"r{n}"}
            events.append(an_event(len(events), n + 2, "select_item", item, **clicked))
    lake = Lake(str(tmp_path / "lake"))
    add(lake, "events", events, EVENTS_SCHEMA)
    add(lake, "exposures", exposures, EXPOSURES_SCHEMA)
    return lake


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose registry has a challenger, which learnt from what came until NOW."""
    folder = tmp_path_factory.mktemp("registered")
    registry = ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "models", folder / "mlartifacts")
    registry.challenge(registry.register(write_model(folder / "bundle"), {}, {}))
    return folder


@pytest.fixture
def shop(lake: Lake, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is that of a shop with the lake and the challenger."""
    shutil.copytree(registered, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shopfloor.toml").write_text("[serving]\ncategory_share = 1.0\n")
    return tmp_path


def estimate(*options: str) -> Result:
    return CliRunner().invoke(app, ["estimate", *options], catch_exceptions=False)


class TestCommand:
    def test_a_challenger_that_shows_what_is_clicked_is_seen_to_earn_more(self, shop: Path) -> None:
        found = json.loads(estimate("--challenger", "challenger", "--json").stdout)
        assert found["answers"] == 200
        assert found["version"] == "1"
        assert found["left_out"] == {"asked_with_more": 0, "impossible": 0}
        assert found["learnt"] == {"until": NOW.isoformat(), "answers": 0}
        assert 0 < found["figures"]["logged"]["value"] < 0.7
        assert found["figures"]["ips"]["low"] > found["figures"]["logged"]["value"]
        assert found["figures"]["gain"]["low"] > 0
        assert "doubly robust" in estimate().stdout

    def test_answers_that_the_version_may_have_learnt_from_are_told(self, shop: Path, lake: Lake) -> None:
        """The version learnt until NOW; of two answers more one was shown before."""
        early = [an_exposure(n, minute, "u:c0", TEA[:SHOWN], [1.0] * SHOWN) for n, minute in ((900, -5), (901, 5))]
        add(lake, "exposures", early, EXPOSURES_SCHEMA)
        told = estimate("--json")
        found = json.loads(told.stdout)
        assert found["learnt"]["answers"] == 1
        flattered = found["warnings"][0]
        assert "1 of the 202 answers were shown before the data that version 1 learnt from end" in flattered
        assert flattered in told.stderr
        since = flattered.rpartition("--since ")[2]
        without = json.loads(estimate("--json", "--since", since).stdout)
        assert (without["answers"], without["learnt"]["answers"]) == (201, 0)

    def test_answers_that_cannot_be_judged_are_counted(self, shop: Path, lake: Lake) -> None:
        narrowed = an_exposure(900, 5, "u:c0", TEA[:SHOWN], [1.0] * SHOWN) | {"asked_with": ["category_ids"]}
        broken = an_exposure(901, 5, "u:c0", TEA[:SHOWN], [0.0] * SHOWN)
        add(lake, "exposures", [narrowed, broken], EXPOSURES_SCHEMA)
        told = estimate("--json")
        found = json.loads(told.stdout)
        assert found["answers"] == 200
        assert found["left_out"] == {"asked_with_more": 1, "impossible": 1}
        assert "1 answers are left out: they were asked with items or filters" in told.stderr

    def test_placements_without_answers_and_those_that_can_have_none(self, shop: Path) -> None:
        with pytest.raises(NotFound, match="no answers of placement 'email'"):
            estimate("--placement", "email")
        with pytest.raises(BadInput, match="'product' cannot be estimated"):
            estimate("--placement", "product")
        with pytest.raises(BadInput, match="'hoem' is no placement"):
            estimate("--placement", "hoem")


def test_clicks_count_for_the_answer_and_the_item_they_name(lake: Lake) -> None:
    answers = read_answers(lake.files("exposures"), lake.event_files(), "home", Reward.CLICK).answers
    assert [answer.shown_us for answer in answers] == sorted(answer.shown_us for answer in answers)
    for answer in answers:
        assert [item.reward for item in answer.items] == [float(item.item_id in TENTS) for item in answer.items]
    bought = read_answers(lake.files("exposures"), lake.event_files(), "home", Reward.PURCHASE).answers
    assert {item.reward for answer in bought for item in answer.items} == {0.0}
    some = read_answers(lake.files("exposures"), lake.event_files(), "home", Reward.CLICK, most=50).answers
    assert len(some) == 50
    assert {answer.recommendation_id for answer in some} <= {answer.recommendation_id for answer in answers}
    since = NOW + timedelta(minutes=100)
    late = read_answers(lake.files("exposures"), lake.event_files(), "home", Reward.CLICK, since).answers
    assert len(late) == 101


async def test_the_version_knows_only_what_was_known_at_the_moment(lake: Lake, tmp_path: Path) -> None:
    """What each customer clicked after the answer lies in the lake too, and may not be in its history."""
    bundle = Bundle.open(write_model(tmp_path / "bundle"), "1")
    asked = read_answers(lake.files("exposures"), lake.event_files(), "home", Reward.CLICK).answers
    histories = read_histories(lake.event_files(), [answer.customer_key for answer in asked])
    before = {
        key: [known for known in past if known.interaction.item_id == TENTS[0]] for key, past in histories.items()
    }
    catalogue = catalogue_of([product(item) for item in (*TEA, *TENTS)], [])
    settings = ServingSettings(category_share=1.0)
    found = await answers_of(bundle, catalogue, "home", asked, histories, settings)
    assert found == await answers_of(bundle, catalogue, "home", asked, before, settings)
    assert all(set(items) & set(TENTS) for items in found)
    with pytest.raises(BadInput, match="cannot be estimated: exposures do not keep"):
        await answers_of(bundle, catalogue, "product", asked, histories, settings)


def lake_of(folder: Path, *events: dict[str, Any]) -> Lake:
    lake = Lake(str(folder))
    add(lake, "events", list(events), EVENTS_SCHEMA)
    return lake


def known(lake: Lake, *customers: str) -> dict[str, list[tuple[float, str]]]:
    """The minute from which each customer's items were known, and the items, oldest first."""
    start = int(NOW.timestamp()) * 1_000_000
    return {
        customer: [((one.known_us - start) / 60_000_000, one.interaction.item_id) for one in past]
        for customer, past in read_histories(lake.event_files(), customers).items()
    }


class TestHistories:
    def test_a_devices_past_belongs_to_the_account_from_the_login_on(self, tmp_path: Path) -> None:
        lake = lake_of(
            tmp_path,
            an_event(0, 0, "view_item", "seen before", anonymous_id="d"),
            an_event(1, 5, "login", "none", anonymous_id="d", user_id="anna", items=[]),
            an_event(2, 9, "view_item", "seen after logout", anonymous_id="d"),
            an_event(3, 10, "view_item", "withheld", user_id="anna", consent={"personalisation": False}),
        )
        assert known(lake, "u:anna", "a:d") == {
            "u:anna": [(5, "seen before")],
            "a:d": [(0, "seen before"), (9, "seen after logout")],
        }

    def test_an_event_is_known_from_its_arrival_on(self, tmp_path: Path) -> None:
        """Clicks that were posted together, an upload of the night, an import of last year: none was known before."""
        lake = lake_of(
            tmp_path,
            an_event(0, -500_000, "purchase", "imported", user_id="anna", received_at=NOW + timedelta(minutes=90)),
            an_event(1, 0, "view_item", "in a batch", user_id="anna", received_at=NOW + timedelta(minutes=3)),
            an_event(2, 1, "view_item", "ahead of our clock", user_id="anna", received_at=NOW),
        )
        assert known(lake, "u:anna") == {"u:anna": [(90, "imported"), (3, "in a batch"), (1, "ahead of our clock")]}

    def test_a_login_is_known_from_its_arrival_on_and_only_with_consent(self, tmp_path: Path) -> None:
        withheld = {"consent": {"personalisation": False}}
        lake = lake_of(
            tmp_path,
            an_event(0, 0, "view_item", "seen", anonymous_id="d"),
            an_event(1, 5, "login", "none", anonymous_id="d", user_id="anna", items=[], **withheld),
            an_event(2, 6, "login", "none", anonymous_id="d", user_id="anna", items=[], received_at=NOW + timedelta(1)),
        )
        assert known(lake, "u:anna") == {"u:anna": [(24 * 60, "seen")]}

    async def test_older_purchases_are_replayed_as_the_profile_would_tell_them(self, tmp_path: Path) -> None:
        lake = lake_of(
            tmp_path,
            an_event(0, 0, "purchase", "tea", user_id="anna"),
            an_event(1, 1, "purchase", "tea", user_id="anna"),
            an_event(2, 2, "purchase", "tent", user_id="anna", received_at=NOW + timedelta(days=9)),
            *(an_event(3 + n, 10 + n, "view_item", "cup", user_id="anna") for n in range(60)),
        )
        customers = PastCustomers(read_histories(lake.event_files(), ["u:anna"]))
        customers.now_us = int((NOW + timedelta(days=1)).timestamp()) * 1_000_000
        anna = await customers.read_customer("anna", None)
        assert len(anna.activity.interactions) == 50
        assert anna.profile is not None
        assert (anna.profile.bought_items, anna.profile.bought_counts) == (("tea",), (2,))
        assert anna.profile.bought_last_us == (int((NOW + timedelta(minutes=1)).timestamp()) * 1_000_000,)
