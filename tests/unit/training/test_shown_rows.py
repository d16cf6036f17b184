"""The rows of answers that were shown: those by which the service makes an answer, however little of it was shown."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from training.candidates import MODELS
from training.candidates.candidate import NONE, CandidateModel
from training.candidates.popular import Popular
from training.folds import Objective, Replayed, in_visits, rolling_folds
from training.interactions import Floats, History, Interactions, Ints, from_frame
from training.probability import UNCALIBRATED
from training.ranker import Ranker, RankerSettings, learnt, replayed_rows, shown_rows
from training.ranking_features import Signals, feature_names
from training.shown_answers import ShownList

START = 1_700_000_000
WEIGHTS: Final = {"session_knn": 1.0, "covisitation": 0.7, "popular": 0.02}
NAMES: Final = feature_names(tuple(WEIGHTS))
FROM_SOURCES: Final = slice(0, NAMES.index("n_sources") + 1)
SHARES: Final = [at for at, name in enumerate(NAMES) if name.endswith("share_of_best")]


@pytest.fixture(scope="module")
def shop() -> Interactions:
    """Visitors go around a circle of 30 items and back now and then, from some items oftener than from others."""
    rng = np.random.default_rng(3)
    rows = []
    for visit in range(300):
        at = int(rng.integers(30) * rng.random())
        for step in range(6):
            rows.append((f"u{visit % 90}", visit, f"item {at:02}", START + visit * 900 + step * 30, Kind.VIEW))
            at = (at + (1 if rng.random() < 0.7 else 27)) % 30
    return from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time", "event"]))


@pytest.fixture(scope="module")
def questions(shop: Interactions) -> list[Replayed]:
    (fold,) = rolling_folds(shop, Objective(), n=1, share=0.3, most=60, seed=1)
    return fold.questions


@pytest.fixture(scope="module")
def models(shop: Interactions) -> Mapping[str, CandidateModel]:
    return {name: MODELS[name].fit(in_visits(shop), seed=1) for name in WEIGHTS}


@pytest.fixture(scope="module")
def ranker(shop: Interactions, questions: list[Replayed], models: Mapping[str, CandidateModel]) -> Ranker:
    """One that ranks all that there is."""
    settings = RankerSettings(candidates=30, fewest_lists=1, rounds=5)
    signals = Signals.fit(in_visits(shop), seed=1)
    trees = learnt([replayed_rows(questions, models, WEIGHTS, signals, settings)], settings, seed=1)
    assert trees is not None
    return Ranker(WEIGHTS, signals, trees, UNCALIBRATED, settings)


def of_few(ranker: Ranker, candidates: int) -> Ranker:
    return replace(ranker, settings=replace(ranker.settings, candidates=candidates))


class Watched(Signals):
    """Keeps the row of every item for which there was one."""

    __slots__ = ("rows",)
    rows: dict[int, Floats]

    def features(self, history: History, item: Ints, score: Floats, place: Ints) -> Floats:
        found = super().features(history, item, score, place)
        self.rows.update(zip(item.tolist(), found, strict=True))
        return found


def served(ranker: Ranker, models: Mapping[str, CandidateModel], history: History) -> tuple[Ints, dict[int, Floats]]:
    """The items of an answer, best first, and the row of each item that was ranked."""
    watched = Watched(**{name: getattr(ranker.signals, name) for name in Signals.__slots__})
    object.__setattr__(watched, "rows", {})
    proposals = {name: model.propose(history, ranker.settings.candidates) for name, model in models.items()}
    answer = replace(ranker, signals=watched).rank(history, proposals, 20)
    return answer.item, watched.rows


def a_list(history: History, item: Ints) -> ShownList:
    return ShownList(history, item, np.arange(len(item), dtype=np.int32), np.zeros(len(item), np.int8))


def rows_of(ranker: Ranker, models: Mapping[str, CandidateModel], *lists: ShownList) -> Floats:
    return shown_rows(lists, models, ranker.weights, ranker.signals, ranker.settings).features


@pytest.mark.parametrize("candidates", [12, 30])
def test_they_are_equal_to_those_of_the_service(
    candidates: int, ranker: Ranker, models: Mapping[str, CandidateModel], questions: list[Replayed]
) -> None:
    ranker = of_few(ranker, candidates)
    lists, expected = [], []
    for history, _ in questions:
        item, rows = served(ranker, models, history)
        shown = item[2:8]  # without what the sources like best, and as the ranker ordered it
        lists.append(a_list(history, shown))
        expected.append([rows[one] for one in shown.tolist()])
    assert len(lists) > 30
    np.testing.assert_array_equal(rows_of(ranker, models, *lists), np.concatenate(expected))
    assert (np.concatenate(expected)[:, SHARES].std(axis=0) > 0).all()


def test_an_item_that_is_no_candidate_today_changes_no_other_row(
    ranker: Ranker, models: Mapping[str, CandidateModel]
) -> None:
    """What a source of little weight likes best is not ranked, and others that it proposes are."""
    ranker, history = of_few(ranker, 8), History.of([9], now=START)
    _, expected = served(ranker, models, history)
    best = int(models["popular"].propose(history, 1).item[0])
    assert len(expected) == 8
    assert best not in expected
    assert any(row[NAMES.index("popular.score")] for row in expected.values())
    items = np.array([best, *expected], np.int32)
    rows = rows_of(ranker, models, a_list(history, items))
    np.testing.assert_array_equal(rows[1:], list(expected.values()))
    assert rows[0, NAMES.index("popular.share_of_best")] == 1
    assert rows[0, NAMES.index("popular.nearness")] == 1


def test_an_item_that_no_source_proposes_has_only_what_is_known_of_it(shop: Interactions, ranker: Ranker) -> None:
    silent: Mapping[str, CandidateModel] = dict.fromkeys(WEIGHTS, _Silent())
    after = int(shop.item[np.flatnonzero(shop.item == 7)[0] + 1])
    rows = rows_of(ranker, silent, a_list(History.of([7], now=START), np.array([after, 7], np.int32)))
    assert not rows[:, FROM_SOURCES].any()
    assert rows[0, NAMES.index("last_direct_share")] > 0
    assert rows[:, NAMES.index("is_last")].tolist() == [0, 1]


class _Silent(Popular):
    def __init__(self) -> None:
        pass

    def propose(self, history: Any, n: int) -> Any:
        return NONE
