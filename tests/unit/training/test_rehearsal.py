"""A version tried on the latest part of the data, and the rankers that this makes."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.bundles import NOON, a_window
from training.blend import ORDER, VISIT, propose
from training.bundle import Bundle, write_bundle
from training.candidates import MODELS
from training.candidates.candidate import CandidateModel
from training.folds import Replayed
from training.interactions import Content, Floats, History, Interactions, Taxonomy, from_frame
from training.ranker import replayed_rows
from training.ranking_features import Signals, feature_names
from training.rehearsal import Rehearsal, Standing, rehearse
from training.settings import TrainingSettings
from training.shown_answers import ShownAnswers

START = 1_700_000_000
BLENDS = {
    "home": {"session_knn": 1.0, "covisitation": 0.5, "popular": 0.02},
    "home/returning": {"buy_again": 1.0, "popular": 0.02},
}
SETTINGS = TrainingSettings(ranker_questions=1200, holdout_questions=600, holdout_share=0.2)


def shop(customers: int = 120, visits: int = 5, seed: int = 1) -> Interactions:
    """Customers go around a circle of 30 items, and one of three steps goes back to the item before."""
    rng = np.random.default_rng(seed)
    rows = []
    for visit in range(customers * visits):
        customer, at, last = visit % customers, int(rng.integers(30)), -1
        for step in range(6):
            time = START + visit * 600 + step * 30
            rows.append((f"u{customer}", visit, f"item {at:02}", time, Kind.BUY if step == 5 else Kind.VIEW))
            at, last = (last if last >= 0 and rng.random() < 0.33 else (at + 1) % 30), at
    return from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time", "event"]))


def habits(customers: int = 120, visits: int = 8, seed: int = 1) -> Interactions:
    """Customers look around the circle and buy four things of their own in turn: never what they bought last."""
    rng = np.random.default_rng(seed)
    own = [rng.permutation(30)[:4] for _ in range(customers)]
    rows = []
    for visit in range(customers * visits):
        customer, at = visit % customers, int(rng.integers(30))
        seen = [(f"item {(at + step) % 30:02}", Kind.VIEW) for step in range(3)]
        bought = [(f"item {own[customer][visit // customers % 4]:02}", Kind.BUY)]
        for step, (item, kind) in enumerate(seen + bought):
            rows.append((f"u{customer}", visit, item, START + visit * 600 + step * 30, kind))
    return from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time", "event"]))


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[History, Floats]]]:
    """The history and the rows of every list whose features are computed while this is open."""
    found: list[tuple[History, Floats]] = []
    compute = Signals.features

    def features(signals: Signals, history: History, *candidates: Any) -> Floats:
        rows = compute(signals, history, *candidates)
        found.append((history, rows))
        return rows

    with monkeypatch.context() as patch:
        patch.setattr(Signals, "features", features)
        yield found


def fit(interactions: Interactions, names: Collection[str]) -> dict[str, CandidateModel]:
    return {name: MODELS[name].fit(interactions, seed=1) for name in sorted(names)}


def untold(step: str, done: int, total: int) -> None:
    pass


def rehearsed(interactions: Interactions, champion: Standing | None = None, **settings: int) -> Rehearsal:
    changed = SETTINGS.model_copy(update=settings)
    return rehearse(interactions, ShownAnswers.none(), BLENDS, champion, None, fit, changed, NOON, untold)


@pytest.fixture(scope="module")
def circle() -> Interactions:
    return shop()


@pytest.fixture(scope="module")
def rehearsal(circle: Interactions) -> Rehearsal:
    return rehearsed(circle)


class TestRankers:
    def test_one_that_orders_better_than_the_blend_is_kept(self, rehearsal: Rehearsal) -> None:
        assert VISIT in rehearsal.taught
        assert rehearsal.comparison.figures["over_blend.mrr_20"].low > 0
        assert rehearsal.report is not None
        assert "the new version without its ranker" in rehearsal.report

    def test_one_that_learns_from_noise_is_left_out(self, circle: Interactions) -> None:
        rng = np.random.default_rng(2)
        noise = replace(circle, item=rng.integers(0, 30, len(circle)).astype(np.int32))
        found = rehearsed(noise)
        assert VISIT not in found.taught
        assert "blend.mrr_20" not in found.comparison.figures

    def test_no_questions_to_learn_from_make_none(self, circle: Interactions) -> None:
        found = rehearsed(circle, ranker_questions=0)
        assert not found.taught
        assert found.rankers(circle, 1, untold) == {}
        assert "home.mrr_20" in found.comparison.figures

    def test_what_a_ranker_says_is_as_likely_as_it_says(self, circle: Interactions, rehearsal: Rehearsal) -> None:
        ranker = rehearsal.rankers(circle, 1, untold)[VISIT]
        models = fit(circle, BLENDS["home"])
        said, came = [], []
        fresh = shop(seed=9)
        for visit in range(200):
            rows = np.flatnonzero(fresh.session == visit)
            history = History.of(fresh.item[rows[:3]].tolist(), now=START)
            found = ranker.rank(history, {name: m.propose(history, 30) for name, m in models.items()}, 30)
            said += found.score.tolist()
            came += (found.item == fresh.item[rows[3]]).tolist()
        assert sum(said) / len(said) == pytest.approx(sum(came) / len(came), rel=0.25)


class TestChampion:
    def test_the_same_recipe_makes_no_difference(self, circle: Interactions, rehearsal: Rehearsal) -> None:
        again = rehearsed(circle, Standing(BLENDS, tuple(rehearsal.taught)))
        assert again.comparison.figures["over_champion.mrr_20"].value == 0

    def test_it_is_compared_on_next_orders_too(self, circle: Interactions) -> None:
        repeating = replace(circle, kind=np.full(len(circle), Kind.BUY, np.int8))
        weights = {"home": BLENDS["home"], "home/returning": {"popular": 1.0}}
        figures = rehearsed(repeating, Standing(weights, ()), ranker_questions=0).comparison.figures
        assert figures["champion.recall_20"] == figures["popular.recall_20"]
        over = figures["over_champion.recall_20"].value
        assert over == pytest.approx(figures["over_popular.recall_20"].value)

    def test_one_without_a_ranker_is_compared_without(self, circle: Interactions) -> None:
        figures = rehearsed(circle, Standing(BLENDS, ())).comparison.figures
        assert figures["over_champion.mrr_20"] == figures["over_blend.mrr_20"]

    def test_other_weights_teach_its_ranker_by_themselves(self, circle: Interactions) -> None:
        weights = {"home": {"popular": 1.0}}
        ranked = rehearsed(circle, Standing(weights, (VISIT,))).comparison.figures
        assert ranked["champion.mrr_20"].low > ranked["popular.mrr_20"].high


def with_everything_a_row_may_know(interactions: Interactions) -> Interactions:
    """Prices, shelves, markets, hours."""
    n = interactions.n_items
    market = np.random.default_rng(3).integers(0, 2, interactions.n_sessions).astype(np.int32)
    return replace(
        interactions,
        market=market[interactions.session],
        markets=("CH", "DE"),
        taxonomy=Taxonomy((np.arange(n) // 6).astype(np.int32), (np.arange(n) // 12).astype(np.int32)),
        content=Content(
            name=tuple(interactions.item_ids.tolist()),
            brand=np.full(n, -1, np.int32),
            price=np.where(np.arange(n) % 7, np.arange(n) * 3.5, np.nan).astype(np.float32),
            published=np.where(np.arange(n) % 5, START - np.arange(n) * 9_999, 0).astype(np.int64),
        ),
    )


DESCRIBED = ("price", "price_over_last", "hour_lift", "market_lift", "newness", "category_share")
VARYING = {VISIT: (*DESCRIBED, "visit_length"), ORDER: (*DESCRIBED, "times_bought", "days_since_bought")}
"""What must differ between rows, or their being equal would prove nothing."""


@pytest.mark.parametrize(("kind", "blend"), [(VISIT, "home"), (ORDER, "home/returning")])
def test_rows_of_training_and_of_the_service_are_equal(
    kind: str, blend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = with_everything_a_row_may_know(habits())
    with recorded(monkeypatch) as in_training:
        found = rehearsed(described)
    rankers = found.rankers(described, 1, untold)
    models = fit(described, {name for weights in BLENDS.values() for name in weights})
    write_bundle(
        tmp_path / "bundle",
        item_ids=described.item_ids,
        markets=described.markets,
        models=models,
        rankers=rankers,
        blends=BLENDS,
        window=a_window(described),
        metrics={},
        settings={},
        created_at=NOON,
    )
    bundle = Bundle.open(tmp_path / "bundle", "1")
    assert set(bundle.rankers) == {VISIT, ORDER}
    questions = [history for history, _ in in_training if history.in_session.any() == (kind == VISIT)][:40]
    with recorded(monkeypatch) as by_hand:
        replayed_rows(
            [Replayed(history, history.item[:1]) for history in questions],
            models, BLENDS[blend], rankers[kind].signals, bundle.rankers[kind].settings,
        )  # fmt: skip
    with recorded(monkeypatch) as served:
        for history in questions:
            propose(bundle, "home", history, 20)
    assert len(by_hand) == len(served) == len(questions) == 40
    for (_, rows), (_, again) in zip(by_hand, served, strict=True):
        np.testing.assert_array_equal(rows, again)
    names = feature_names(tuple(BLENDS[blend]))
    spread = np.concatenate([rows for _, rows in served]).std(axis=0)
    for name in VARYING[kind]:
        assert spread[names.index(name)] > 0, name
