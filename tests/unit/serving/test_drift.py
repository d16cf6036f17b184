"""Whether traffic that leaves the training's is told, and traffic like it is not."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from prometheus_client import CollectorRegistry, Gauge

from feature_repo.activity import Activity, Interaction, Kind
from feature_repo.customer import CustomerFeatures
from serving.drift import WINDOW, Drift
from serving.placements import PLACEMENTS
from serving.question import Question
from tests.unit.serving.shop import open_shop
from training.bundle import Bundle, DataWindow, write_bundle
from training.candidates.popular import Popular
from training.data_checks import item_counts, profile_of
from training.evidence import Evidence
from training.interactions import Interactions, from_frame
from training.traffic import DAY_SECONDS, popularity_tenths

DAYS, LEARNT_DAYS, CUSTOMERS, ITEMS = 80, 60, 4_000, 40

Row = tuple[str, str, str, int, Kind, str]
Asked = tuple[Question, CustomerFeatures | None, int]


@cache
def shop() -> list[Row]:
    """Interactions of eighty days in order of time: customer, visit, item, seconds, kind, market."""
    rng = Random(1)
    rows: list[Row] = []
    for customer in range(CUSTOMERS):
        now = rng.randrange(DAYS * DAY_SECONDS)
        while now < DAYS * DAY_SECONDS:
            for step in range(rng.choice((1, 2, 4))):
                item = f"item {min(int(rng.expovariate(0.15)), ITEMS - 1):02}"
                kind = Kind.BUY if rng.random() < 0.2 else Kind.VIEW
                market = "DE" if customer % 3 else "CH"
                rows.append((f"c{customer}", f"{customer}/{now}", item, now + 60 * step, kind, market))
            now += 3_600 + int(rng.expovariate(1 / (10 * DAY_SECONDS)))
    return sorted(rows, key=lambda row: row[3])


def learnt_by_training() -> Interactions:
    past = [row for row in shop() if row[3] < LEARNT_DAYS * DAY_SECONDS]
    return from_frame(pd.DataFrame(past, columns=["user", "session", "item", "time", "event", "market"]))


@cache
def traffic(market: str | None = None, item: str | None = None) -> list[Asked]:
    """The home page at each arrival in the days after the training, with what was known of the customer then."""
    asked: list[Asked] = []
    known: dict[str, tuple[Interaction, ...]] = {}
    for number, (customer, _, usual, second, kind, here) in enumerate(shop()):
        before = known.get(customer, ())
        if second >= LEARNT_DAYS * DAY_SECONDS:
            question = Question(placement="home", user_id=customer, market=market or here)
            asked.append((question, CustomerFeatures(Activity(before)), second))
        interaction = Interaction(second * 1_000_000, f"e{number}", 0, item or usual, kind)
        known[customer] = (*before, interaction)[-50:]
    return asked


@pytest.fixture(scope="module")
def learnt() -> Interactions:
    return learnt_by_training()


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("shopfloor_feature_drift", "test", ("feature",), registry=CollectorRegistry())


@pytest.fixture
def drift(learnt: Interactions, gauge: Gauge) -> Drift:
    index = {item: row for row, item in enumerate(learnt.item_ids.tolist())}
    tenth = popularity_tenths(item_counts(learnt)).astype(np.uint8).tobytes()
    return Drift("7", profile_of(learnt).traffic, index, tenth, 0.25, gauge)


def count(drift: Drift, asked: list[Asked], placement: str = "home") -> None:
    for question, customer, now in asked:
        drift.count(question, PLACEMENTS[placement], customer, now)


def test_traffic_like_the_training_raises_no_alarm(drift: Drift, caplog: pytest.LogCaptureFixture) -> None:
    count(drift, traffic())
    assert {"markets", "unknown_items", "item_popularity", "history_length", "last_kind"} <= drift.found.keys()
    assert drift.above() == [], drift.found
    assert "each within 0.25" in drift.says()
    assert not caplog.records


@pytest.mark.parametrize(
    ("asked", "feature", "moved"),
    [
        (lambda: traffic(market="FR"), "markets", "FR from 0.0% to 100.0%"),
        (lambda: traffic(item="unheard of"), "unknown_items", " from "),
        (lambda: traffic(item=f"item {ITEMS - 2}"), "item_popularity", "10. tenth from"),
    ],
)
def test_other_traffic_names_the_feature_and_what_moved(
    drift: Drift,
    gauge: Gauge,
    caplog: pytest.LogCaptureFixture,
    asked: Callable[[], list[Asked]],
    feature: str,
    moved: str,
) -> None:
    count(drift, asked())
    (told,) = drift.above()
    assert told.startswith(feature)
    assert moved in told
    assert told in drift.says()
    assert gauge.labels(feature)._value.get() > 0.25
    (record,) = caplog.records
    assert record.getMessage().startswith(f"drift: {feature} of the last {WINDOW} answers")
    assert record.levelno == logging.WARNING


def test_an_online_store_that_does_not_answer_shows_in_the_customers(drift: Drift) -> None:
    count(drift, [(question, None, now) for question, _, now in traffic()])
    assert any(told.startswith("customers") and "unread" in told for told in drift.above())


def test_an_alarm_ends_with_the_traffic_that_raised_it(drift: Drift, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    count(drift, traffic(market="FR"))
    count(drift, traffic())
    assert drift.above() == []
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_questions_within_a_visit_tell_of_items_alone(drift: Drift) -> None:
    asked = [(one.model_copy(update={"item_ids": ("item 01",)}), known, now) for one, known, now in traffic()]
    count(drift, asked, "product")
    assert drift.found.keys() == {"unknown_items", "item_popularity"}


def test_a_kind_that_this_program_does_not_know_costs_no_answer(drift: Drift) -> None:
    asked = [
        (one, replace(known, activity=Activity((*known.activity.interactions[:-1], newest._replace(kind=9)))), now)
        for one, known, now in traffic()
        if known is not None and known.activity.interactions
        for newest in known.activity.interactions[-1:]
    ]
    count(drift, asked)
    assert any(told.startswith("last_kind") and "other" in told for told in drift.above())


def test_customers_who_are_not_there_are_not_counted(drift: Drift) -> None:
    count(drift, traffic(market="FR"), "email")
    assert drift.found == {}


def test_a_model_that_keeps_no_distributions_watches_nothing() -> None:
    drift = Drift("1", {"markets": {"DE": 20}})
    count(drift, traffic())
    assert drift.found == {}
    assert drift.says().startswith("not watched")


def test_what_a_training_stored_is_read_from_its_bundle(tmp_path: Path, learnt: Interactions, gauge: Gauge) -> None:
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    write_bundle(
        tmp_path / "bundle",
        item_ids=learnt.item_ids,
        markets=learnt.markets,
        models={"popular": Popular.fit(learnt)},
        blends={"home": {"popular": 1.0}},
        window=DataWindow(first_event=moment, last_event=moment, interactions=1, users=1, sessions=1, items=1),
        metrics={},
        settings={},
        created_at=moment,
        evidence=Evidence(questions=0, data=profile_of(learnt)),
        item_counts=item_counts(learnt),
    )
    drift = Drift.of(Bundle.open(tmp_path / "bundle", "7"), tmp_path / "bundle", 0.25, gauge)
    count(drift, traffic(market="FR"))
    assert [told.split()[0] for told in drift.above()] == ["markets"]
    assert "item_popularity" in drift.found


async def test_a_service_tells_it_without_being_less_ready(tmp_path: Path) -> None:
    async with open_shop(tmp_path) as shop:
        model = shop.service.slot.current
        assert model is not None
        drift = Drift("v1", {"markets": {"DE": 900}}, gauge=shop.service.metrics.feature_drift)
        object.__setattr__(model, "drift", drift)
        for _ in range(WINDOW):
            await shop.service.recommender.recommend(Question(placement="home", market="FR", limit=1))
        ready = (await shop.client.get("/readyz")).json()
        assert ready["status"] == "ready"
        assert "markets" in ready["parts"]["drift"]["detail"]
        metrics = (await shop.client.get("/metrics")).text
    assert 'shopfloor_feature_drift{feature="markets"}' in metrics


def test_counting_an_answer_takes_microseconds(drift: Drift) -> None:
    asked = traffic()
    best = min(_seconds(lambda: count(drift, asked)) for _ in range(5)) / len(asked)
    # A hundred times what it takes on a quiet machine.
    assert best < 300e-6


def _seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
