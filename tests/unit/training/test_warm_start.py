"""Models that go on from the champion's, and when they may."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.bundles import NOON, a_window
from tests.unit.training.candidate_suite import checker_board
from training.bundle import DataWindow, verified_manifest, write_bundle
from training.candidates.als import Als, AlsSettings
from training.candidates.candidate import CandidateModel
from training.candidates.session_knn import SessionKnn
from training.evaluation.protocol import shuffled
from training.interactions import History, Interactions, from_frame
from training.model_settings import ModelSettings
from training.settings import TrainingSettings
from training.warm_start import Predecessor

SETTINGS = ModelSettings.of(TrainingSettings())


@pytest.fixture(scope="module")
def shop() -> Interactions:
    """300 customers with a taste for some of 500 items each: so much chance that two fits give different lists."""
    random = np.random.default_rng(3)
    liked = random.dirichlet(np.full(500, 0.2), size=12)
    rows = [
        {"user": f"customer {user}", "item": f"item {item}", "event": Kind.VIEW, "time": 1_700_000_000 + 60 * user + n}
        for user in range(300)
        for n, item in enumerate(random.choice(500, size=12, p=liked[user % 12]))
    ]
    return from_frame(pd.DataFrame(rows))


def lists(model: Als, shop: Interactions) -> list[set[str]]:
    """The ten items, by their ids, that each tenth customer has not seen and is offered."""
    histories = [History.of(shop.item[shop.user == user].tolist()) for user in range(0, 300, 10)]
    answers = zip(histories, model.propose_batch(histories, 30), strict=True)
    return [set(shop.item_ids[item[~np.isin(item, seen.item)][:10]].tolist()) for seen, (item, _) in answers]


def in_common(one: list[set[str]], other: list[set[str]]) -> float:
    return float(np.mean([len(a & b) / 10 for a, b in zip(one, other, strict=True)]))


def without_latest(shop: Interactions, share: float) -> Interactions:
    return shop.part(shop.time <= np.quantile(shop.time, 1 - share))


EIGHT_WIDE = AlsSettings(factors=8)


def test_lists_keep_still_where_they_would_have_moved_by_chance(shop: Interactions) -> None:
    before = Als.fit(without_latest(shop, 0.03), 1, EIGHT_WIDE)
    going_on = before.refitted(shop, np.arange(shop.n_items, dtype=np.int32), seed=2)
    was = lists(before, shop)
    assert in_common(was, lists(going_on, shop)) > in_common(was, lists(Als.fit(shop, 2, EIGHT_WIDE), shop)) + 0.2


def test_items_are_known_by_their_ids_wherever_they_stand_now(shop: Interactions) -> None:
    before = Als.fit(shop, 1, EIGHT_WIDE)
    moved = shuffled(shop, seed=5)
    where = {item: number for number, item in enumerate(shop.item_ids.tolist())}
    place = np.array([where[item] for item in moved.item_ids.tolist()], np.int32)
    as_it_was = lists(before, shop)
    lost = before.refitted(moved, np.arange(len(place), dtype=np.int32), seed=2)
    found = before.refitted(moved, place, seed=2)
    assert in_common(as_it_was, lists(found, moved)) > in_common(as_it_was, lists(lost, moved)) + 0.2


def test_a_new_item_is_learnt_and_the_same_seed_gives_the_same(shop: Interactions) -> None:
    new = int(np.bincount(shop.item).argmax())
    before = Als.fit(shop.part(shop.item != new), 1, EIGHT_WIDE)
    place = np.arange(shop.n_items, dtype=np.int32)
    place[new] = -1
    one, other = before.refitted(shop, place, seed=2), before.refitted(shop, place, seed=2)
    np.testing.assert_array_equal(one.factors, other.factors)
    assert np.abs(one.factors[new]).max() > 0.05


def test_a_small_catalogue_that_grew_goes_on_with_the_factors_it_has() -> None:
    board = checker_board()
    wider = replace(board, item_ids=np.append(board.item_ids, "one more"))
    place = np.append(np.arange(board.n_items), -1).astype(np.int32)
    before = Als.fit(board, seed=1)
    grown, back = (
        before.refitted(wider, place, seed=2),
        before.refitted(wider, place, seed=2).refitted(board, place[:-1]),
    )
    assert [model.factors.shape for model in (before, grown, back)] == [(8, 8), (9, 9), (8, 8)]
    assert not np.array_equal(grown.factors, Als.fit(wider, seed=2).factors)
    for model in (grown, back):
        best = model.propose(History.of([0]), 4).item
        assert set(best.tolist()) == set(before.propose(History.of([0]), 4).item.tolist())


@pytest.fixture
def earlier(shop: Interactions) -> Interactions:
    return without_latest(shop, 0.05)


def champion(folder: Path, learnt: Interactions, window: DataWindow | None = None) -> Path:
    """The folder of a version with a model that begins with chance and one that does not."""
    models: dict[str, CandidateModel] = {
        Als.name: Als.fit(learnt, settings=AlsSettings(iterations=1)),
        SessionKnn.name: SessionKnn.fit(learnt),
    }
    write_bundle(
        folder / "bundle",
        item_ids=learnt.item_ids,
        markets=learnt.markets,
        models=models,
        blends={"home": {Als.name: 1.0, SessionKnn.name: 1.0}},
        window=window or a_window(learnt),
        metrics={},
        settings={},
        created_at=NOON,
    )
    return folder / "bundle"


ONE_ITERATION = SETTINGS.with_values(Als.name, {"iterations": 1})


def predecessor(folder: Path, shop: Interactions, settings: ModelSettings = ONE_ITERATION) -> Predecessor:
    return Predecessor.of(folder, "7", verified_manifest(folder), settings, shop)


def test_only_a_model_that_begins_with_chance_goes_on(
    tmp_path: Path, shop: Interactions, earlier: Interactions
) -> None:
    before = predecessor(champion(tmp_path, earlier), shop)
    assert (before.version, list(before.models)) == ("7", [Als.name])
    assert np.array_equal(before.place, np.arange(shop.n_items))
    assert isinstance(before.refitted(Als.name, shop, 1), Als)


def test_an_item_that_the_champion_lacks_has_no_place(tmp_path: Path, shop: Interactions) -> None:
    more = replace(shop, item_ids=np.append(shop.item_ids, "one more"))
    assert predecessor(champion(tmp_path, shop), more).place[-1] == -1


def test_other_settings_begin_anew(tmp_path: Path, shop: Interactions, earlier: Interactions) -> None:
    assert not predecessor(champion(tmp_path, earlier), shop, SETTINGS).models


def test_a_model_that_can_no_longer_be_read_begins_anew(
    tmp_path: Path, shop: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    class Changed(Als):
        @classmethod
        def load(cls, folder: Path) -> "Changed":
            raise KeyError("a setting of yesterday")

    changed = replace(ONE_ITERATION, classes={**ONE_ITERATION.classes, Als.name: Changed})
    assert not predecessor(champion(tmp_path, shop), shop, changed).models
    assert "a setting of yesterday" in caplog.text


def test_a_champion_that_knows_too_little_is_not_gone_on_from(tmp_path: Path, shop: Interactions) -> None:
    assert not predecessor(champion(tmp_path, without_latest(shop, 0.3)), shop).models


def test_a_past_that_was_imported_since_is_new_to_the_champion(tmp_path: Path, shop: Interactions) -> None:
    window = a_window(shop)
    small = window.model_copy(
        update={"interactions": len(shop) // 2, "last_event": window.last_event + timedelta(days=1)}
    )
    assert not predecessor(champion(tmp_path, shop, small), shop).models
