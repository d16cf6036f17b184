"""The ranker over candidates: replayed time, features, trees, and the model that is made of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt
from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.candidate import Candidates
from training.evaluation.task import Exclude
from training.folds import Fold, Objective, before, held_out_folds, in_visits, rolling_folds
from training.fusion import blended
from training.interactions import Floats, History, Interactions, Ints, Taxonomy, from_frame
from training.ranked import SOURCES, Ranked, RankedPlain, RankedSettings
from training.ranker import Ranker, RankerSettings, replayed_rows
from training.ranking_features import OF_TAXONOMY, Signals, feature_names
from training.trees import PARAMETERS, Trees

START = 1_700_000_000
SETTINGS = RankedSettings(ranker=RankerSettings(rounds=20, threads=1))


class TestBlendedWhereDataAreFew(CandidateSuite):
    model = Ranked
    personal = False


class TestRanked(CandidateSuite):
    model = Ranked
    settings = {"settings": RankedSettings(ranker=RankerSettings(fewest_lists=1, rounds=5, threads=1))}  # noqa: RUF012  # a ClassVar there
    personal = False


def circle(visits: int = 400, seed: int = 3) -> Interactions:
    """Visitors go around a circle of 30 items; one in three steps goes back to the item before."""
    rng = np.random.default_rng(seed)
    rows = []
    for visit in range(visits):
        at, last = int(rng.integers(30)), -1
        for step in range(6):
            kind = Kind.BUY if step == 5 else Kind.VIEW
            rows.append((f"u{visit % 90}", visit, f"item {at:02}", START + visit * 900 + step * 30, kind))
            at, last = (last if last >= 0 and rng.random() < 0.33 else (at + 1) % 30), at
    return from_frame(pd.DataFrame(rows, columns=["user", "session", "item", "time", "event"]))


def folds_of(interactions: Interactions, objective: Objective) -> list[Fold]:
    return list(rolling_folds(interactions, objective, n=3, share=0.5, most=40, seed=1))


@pytest.fixture(scope="module")
def shop() -> Interactions:
    return circle()


@pytest.fixture(scope="module")
def fitted(shop: Interactions) -> Ranked:
    return Ranked.fit(shop, seed=7, settings=SETTINGS)


def ranker_of(model: Ranked) -> Ranker:
    assert model.ranker is not None
    return model.ranker


@pytest.fixture(scope="module")
def shelves(shop: Interactions) -> Interactions:
    """Items 0 to 14 of the circle are one category, the others another, both below one parent."""
    half = (np.arange(shop.n_items) >= 15).astype(np.int32)
    return replace(shop, taxonomy=Taxonomy(half, np.zeros(shop.n_items, np.int32)))


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Floats]]:
    """Every row that is computed while this is open."""
    rows: list[Floats] = []
    compute = Signals.features

    def features(signals: Signals, history: History, item: Ints, score: Floats, place: Ints) -> Floats:
        rows.append(compute(signals, history, item, score, place))
        return rows[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Signals, "features", features)
        yield rows


class TestReplayedTime:
    @pytest.mark.parametrize("objective", [Objective(), Objective(visit=False, target=Kind.BUY)])
    def test_what_is_learnt_from_lies_before_what_is_asked(self, shop: Interactions, objective: Objective) -> None:
        folds = folds_of(shop, objective)
        assert len(folds) == 3
        for fold in folds:
            assert fold.questions
            assert all(len(question.relevant) for question in fold.questions)
            assert fold.earlier.time.max() < min(question.history.now for question in fold.questions) + 900
        ends = [fold.earlier.time.max() for fold in folds]
        assert ends == sorted(set(ends))

    def test_the_future_changes_no_training_row(self, shop: Interactions) -> None:
        moment = int(np.quantile(shop.time, 0.7))
        later = shop.time >= moment
        changed = replace(shop, item=np.where(later, (shop.item + 11) % 30, shop.item).astype(np.int32))
        for one, other in ((before(shop, moment), before(changed, moment)),):
            for name in ("user", "session", "item", "time", "kind"):
                assert np.array_equal(getattr(one, name), getattr(other, name))
        for one, other in zip(folds_of(shop, Objective()), folds_of(changed, Objective()), strict=True):
            same = [q for q in one.questions if q.history.now < moment - 900]
            again = [q for q in other.questions if q.history.now < moment - 900]
            assert len(same) == len(again)
            assert all(np.array_equal(a.history.item, b.history.item) for a, b in zip(same, again, strict=True))

    def test_a_visit_is_known_only_up_to_the_question(self, shop: Interactions) -> None:
        for question in folds_of(shop, Objective())[0].questions:
            assert question.history.in_session.all()
            assert 1 <= len(question.history.item) <= 5
            assert question.history.time[-1] == question.history.now

    def test_the_way_to_an_unseen_purchase_is_hidden(self, shop: Interactions) -> None:
        objective = Objective(visit=False, target=Kind.BUY, exclude=Exclude.SEEN)
        for fold in folds_of(shop, objective):
            for question in fold.questions:
                assert not np.isin(question.history.item, question.relevant).any()

    def test_a_held_out_purchase_is_nowhere_in_what_is_learnt_from(self, shop: Interactions) -> None:
        objective = Objective(visit=False, target=Kind.BUY, exclude=Exclude.SEEN, within=True)
        for fold in held_out_folds(shop, objective, n=3, most=10, seed=1):
            assert len(fold.questions) == 10
            gone = set(zip(shop.user.tolist(), shop.item.tolist(), strict=True))
            gone -= set(zip(fold.earlier.user.tolist(), fold.earlier.item.tolist(), strict=True))
            assert len(gone) == 10
            assert sorted(item for _, item in gone) == sorted(int(q.relevant[0]) for q in fold.questions)
            assert all(q.relevant[0] not in q.history.item for q in fold.questions)

    def test_a_pause_divides_what_a_file_calls_one_session(self, shop: Interactions) -> None:
        merged = replace(shop, session=np.zeros_like(shop.session), n_sessions=1, time=np.sort(shop.time))
        pauses = np.count_nonzero(np.diff(merged.time) > 1800)
        assert in_visits(merged).n_sessions == pauses + 1

    def test_a_shop_whose_events_bear_one_time_gives_no_fold(self, shop: Interactions) -> None:
        assert folds_of(replace(shop, time=np.zeros_like(shop.time)), Objective()) == []


class TestFeatures:
    def test_rows_of_training_and_of_answers_are_equal(
        self, shop: Interactions, fitted: Ranked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fitted.save(tmp_path)
        served = Ranked.load(tmp_path)
        questions = folds_of(shop, Objective())[2].questions
        with recorded(monkeypatch) as in_training:
            replayed_rows(questions, fitted.sources, SOURCES, ranker_of(fitted).signals, fitted.settings.ranker)
        with recorded(monkeypatch) as in_answers:
            for question in questions:
                served.propose(question.history, 20)
        found = {rows.tobytes() for rows in in_answers}
        assert len(in_training) > 30
        assert all(rows.tobytes() in found for rows in in_training)

    def test_every_column_has_a_name(self, fitted: Ranked, monkeypatch: pytest.MonkeyPatch) -> None:
        with recorded(monkeypatch) as rows:
            fitted.propose(History.of([1, 2]), 5)
        assert rows[0].shape[1] == len(feature_names(tuple(fitted.sources)))
        assert np.isfinite(rows[0]).all()

    def test_what_the_visitor_did_stands_in_the_row(self, fitted: Ranked) -> None:
        signals, names = ranker_of(fitted).signals, feature_names(())
        history = History.of([4, 7, 4, 9], Kind.CART, now=START)
        none = np.zeros((0, 2), np.float32), np.zeros((0, 2), np.int32)
        rows = signals.features(history, np.array([4, 9], np.int32), *none)
        four, nine = ({name: float(row[at]) for at, name in enumerate(names)} for row in rows)
        assert (four["times_in_visit"], four["steps_since"], four["is_last"]) == (2, 1, 0)
        assert (nine["times_in_visit"], nine["steps_since"], nine["is_last"]) == (1, 0, 1)
        assert four["strongest_kind"] == Kind.CART
        assert (four["visit_length"], four["visit_items"], four["known_length"]) == (4, 3, 4)

    def test_an_item_that_follows_the_last_one_has_its_share(self, shop: Interactions, fitted: Ranked) -> None:
        names = feature_names(())
        candidates = np.arange(shop.n_items, dtype=np.int32)
        none = np.zeros((0, 30), np.float32), np.zeros((0, 30), np.int32)
        rows = ranker_of(fitted).signals.features(History.of([10]), candidates, *none)
        share = rows[:, names.index("last_direct_share")]
        assert share.argmax() == 11
        assert share.sum() == pytest.approx(1, abs=0.1)


class TestTaxonomy:
    def test_a_row_says_how_near_the_shelves_are(self, shelves: Interactions) -> None:
        names, none = feature_names(()), (np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
        rows = Signals.fit(shelves).features(History.of([20, 3, 4]), np.array([8, 22, 4], np.int32), *none)
        columns = {name: rows[:, at].tolist() for at, name in enumerate(names)}
        assert columns["category_is_last"] == [1, 0, 1]
        assert columns["parent_is_last"] == [1, 1, 1]
        assert columns["category_times"] == [2, 1, 2]
        assert columns["category_share"][0] == pytest.approx(1.8 / 2.44)
        assert columns["category_next_share"][0] > columns["category_next_share"][1]

    def test_without_a_taxonomy_these_columns_are_empty(self, fitted: Ranked) -> None:
        names, none = feature_names(()), (np.zeros((0, 1), np.float32), np.zeros((0, 1), np.int32))
        row = ranker_of(fitted).signals.features(History.of([3]), np.array([4], np.int32), *none)[0]
        assert not row[[names.index(name) for name in OF_TAXONOMY]].any()

    def test_an_item_without_category_is_no_error(self, shelves: Interactions, tmp_path: Path) -> None:
        category = np.full(shelves.n_items, -1, np.int32)
        category[:3] = (0, 0, 5)
        model = Ranked.fit(replace(shelves, taxonomy=Taxonomy(category, category)), seed=1, settings=SETTINGS)
        model.save(tmp_path)
        assert len(Ranked.load(tmp_path).propose(History.of([2, 1, 20]), 10).item) == 10

    def test_the_plain_one_knows_nothing_of_it(self, shelves: Interactions, fitted: Ranked) -> None:
        plain = RankedPlain.fit(shelves, seed=7, settings=SETTINGS)
        history = History.of([4, 9])
        assert np.array_equal(plain.propose(history, 20).item, fitted.propose(history, 20).item)


class TestTrees:
    def test_scores_are_those_of_lightgbm(self) -> None:
        import lightgbm

        rng = np.random.default_rng(0)
        rows = rng.normal(size=(4000, 7)).astype(np.float32)
        label = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=4000) > 1).astype(np.int8)
        booster = lightgbm.train(
            PARAMETERS | {"num_threads": 1}, lightgbm.Dataset(rows, label, group=[40] * 100), num_boost_round=15
        )
        unseen = rng.normal(size=(500, 7), scale=3).astype(np.float32)
        np.testing.assert_allclose(Trees.of(booster).score(unseen), booster.predict(unseen, num_threads=1), rtol=1e-12)

    def test_a_node_that_points_outside_is_refused(self, fitted: Ranked, tmp_path: Path) -> None:
        trees = ranker_of(fitted).trees
        trees.save(tmp_path)
        np.save(tmp_path / "tree_left.npy", trees.left + 10_000)
        with pytest.raises(Corrupt, match="nodes that are not there"):
            Trees.load(tmp_path)

    def test_a_feature_that_is_not_there_is_refused(self, fitted: Ranked, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        wrong = np.where(ranker_of(fitted).trees.feature >= 0, 500, -1)
        np.save(tmp_path / "ranker" / "tree_feature.npy", wrong.astype(np.int32))
        with pytest.raises(Corrupt, match="feature"):
            Ranked.load(tmp_path)


class TestTheModel:
    def test_it_learns_what_no_source_knows(self, shop: Interactions, fitted: Ranked) -> None:
        unranked = replace(fitted, ranker=None)
        hits = {True: 0, False: 0}
        for fold in rolling_folds(circle(seed=4), Objective(), 1, 0.5, 300, 1):
            for question in fold.questions:
                for model in (fitted, unranked):
                    hits[model is fitted] += int(model.propose(question.history, 1).item[0] in question.relevant)
        assert hits[True] > hits[False]

    def test_more_than_the_ranked_are_filled_up_from_the_blend(self, fitted: Ranked) -> None:
        of_five = RankerSettings(candidates=5)
        few = replace(
            fitted, ranker=replace(ranker_of(fitted), settings=of_five), settings=RankedSettings(ranker=of_five)
        )
        history = History.of([1, 2])
        assert np.array_equal(few.propose(history, 20).item[:5], few.propose(history, 5).item)
        assert len(few.propose(history, 20).item) == 20

    def test_what_nobody_touched_keeps_its_place_in_the_blend(self, shop: Interactions, fitted: Ranked) -> None:
        new = np.arange(shop.n_items, shop.n_items + 3, dtype=np.int32)
        ids = np.append(shop.item_ids, ["new 1", "new 2", "new 3"])
        signals = Signals.fit(in_visits(replace(shop, item_ids=ids)), 7)
        ranker = replace(ranker_of(fitted), signals=signals, weights={**SOURCES, "new_items": 0.3})
        history = History.of([1, 2])
        proposals = {name: model.propose(history, 20) for name, model in fitted.sources.items()}
        proposals["new_items"] = Candidates(new, np.array([1.0, 0.9, 0.1], np.float32))
        blend = blended(proposals, ranker.weights, 20).item
        known = replace(ranker, weights=SOURCES).rank(history, proposals, 20)
        answer = ranker.rank(history, proposals, 20)
        places = np.flatnonzero(np.isin(blend, new))
        assert len(places) >= 2
        assert np.array_equal(answer.item[places], blend[places])
        assert not np.isin(np.delete(answer.item, places), new).any()
        assert np.all(np.diff(answer.score) <= 0)
        assert [answer.source[place] for place in places] == ["new_items"] * len(places)
        assert len(answer.item) == len(answer.source) == 20
        assert not np.isin(new, known.item).any()
        assert not np.isin(new, ranker.rank(history, proposals, 20, hidden=new).item).any()

    def test_its_place_does_not_depend_on_how_many_are_asked_for(self, shop: Interactions, fitted: Ranked) -> None:
        new = np.array([shop.n_items], np.int32)
        signals = Signals.fit(in_visits(replace(shop, item_ids=np.append(shop.item_ids, "new"))), 7)
        untouched_first = Trees(
            root=np.array([0], np.int32),
            feature=np.array([feature_names((*SOURCES, "new_items")).index("count"), -1, -1], np.int32),
            left=np.array([1, -1, -1], np.int32),
            right=np.array([2, -1, -1], np.int32),
            threshold=np.array([0.5, 2.0, -2.0]),
        )
        weights = {**SOURCES, "new_items": 0.02}
        ranker = replace(ranker_of(fitted), signals=signals, weights=weights, trees=untouched_first)
        proposals = {name: model.propose(History.of([1, 2]), 30) for name, model in fitted.sources.items()}
        proposals["new_items"] = Candidates(new, np.array([1.0], np.float32))
        place = blended(proposals, weights, 40).item.tolist().index(new[0])
        assert place > 5
        assert ranker.rank(History.of([1, 2]), proposals, 40).item[place] == new[0]
        assert new[0] not in ranker.rank(History.of([1, 2]), proposals, 5).item

    def test_where_all_is_new_the_blend_stands(self, shop: Interactions, fitted: Ranked) -> None:
        new = np.arange(shop.n_items, shop.n_items + 3, dtype=np.int32)
        ids = np.append(shop.item_ids, ["new 1", "new 2", "new 3"])
        signals = Signals.fit(in_visits(replace(shop, item_ids=ids)), 7)
        ranker = replace(ranker_of(fitted), signals=signals, weights={**SOURCES, "new_items": 0.3})
        proposals = {"new_items": Candidates(new, np.array([1.0, 0.9, 0.1], np.float32))}
        assert ranker.rank(History.of([]), proposals, 2).item.tolist() == new[:2].tolist()

    def test_what_the_customer_has_seen_is_not_shown(self, shop: Interactions) -> None:
        objective = Objective(visit=False, target=Kind.BUY, exclude=Exclude.SEEN)
        model = Ranked.fit(shop, seed=1, settings=replace(SETTINGS, objective=objective))
        assert not np.isin(model.propose(History.of([1, 2, 3]), 30).item, [1, 2, 3]).any()

    def test_a_reason_lies_in_the_whole_history(self, fitted: Ranked) -> None:
        history = History.of([*[5] * 60, 7])
        position = fitted.because(history, 8)
        assert position is not None
        assert history.item[position] == 7
