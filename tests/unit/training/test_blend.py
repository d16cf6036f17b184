from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from tests.unit.training.bundles import a_bundle
from tests.unit.training.candidate_suite import TEA
from training.blend import BLENDS, RANKED, RETURNING, TAUGHT_BY, blends_of, propose, recipe_of
from training.bundle import Bundle
from training.candidates import MODELS
from training.candidates.candidate import NONE, CandidateModel, Candidates
from training.interactions import History


@dataclass
class Fixed:
    """A model that always answers the same."""

    answer: Candidates = NONE

    def propose(self, history: History, n: int) -> Candidates:
        return Candidates(self.answer.item[:n], self.answer.score[:n])

    def because(self, history: History, item: int) -> int | None:
        return None


def answer(*items: int, score: float = 1.0) -> Candidates:
    scores = score * np.linspace(1.0, 0.5, len(items), dtype=np.float32)
    return Candidates(np.array(items, np.int32), scores.astype(np.float32))


def bundle_of(weights: dict[str, float], **models: Fixed) -> Bundle:
    return Bundle(
        version="1",
        manifest=cast(Any, None),
        item_ids=np.array(["a", "b", "c"]),
        item_index={"a": 0, "b": 1, "c": 2},
        markets=(),
        models=cast(dict[str, CandidateModel], models),
        blends={"home": weights},
    )


def test_an_item_that_two_models_agree_on_comes_first() -> None:
    bundle = bundle_of({"x": 1.0, "y": 0.9}, x=Fixed(answer(0, 1)), y=Fixed(answer(2, 1, score=1000.0)))
    blended = propose(bundle, "home", History.of([0]), 3)
    assert blended.item.tolist() == [0, 1, 2]
    assert blended.score.tolist() == pytest.approx([1.0, 0.95, 0.9])
    assert blended.source == ("x", "x", "y")


def test_models_that_know_nothing_give_an_empty_answer() -> None:
    blended = propose(bundle_of({"x": 1.0}, x=Fixed()), "home", History.of([]), 5)
    assert len(blended.item) == len(blended.score) == len(blended.source) == 0


def test_an_unknown_placement_is_answered_like_home() -> None:
    bundle = bundle_of({"x": 1.0}, x=Fixed(answer(1)))
    assert propose(bundle, "window-display", History.of([]), 5).item.tolist() == [1]


def test_what_may_not_be_shown_is_left_out_and_the_others_count_as_beside_it() -> None:
    bundle = bundle_of({"x": 1.0, "y": 0.6}, x=Fixed(answer(0, 1)), y=Fixed(answer(2, 0)))
    blended = propose(bundle, "home", History.of([]), 5, allowed=np.array([False, True, True]))
    assert blended.item.tolist() == [2, 1]
    assert blended.score.tolist() == pytest.approx([0.6, 0.5])
    assert blended.source == ("y", "x")


def test_where_nothing_may_be_shown_the_answer_is_empty() -> None:
    bundle = bundle_of({"x": 1.0}, x=Fixed(answer(0, 1)))
    assert len(propose(bundle, "home", History.of([]), 5, allowed=np.zeros(3, np.bool_)).item) == 0


def test_a_blend_keeps_only_models_that_are_there() -> None:
    models = cast(dict[str, CandidateModel], {"covisitation": Fixed()})
    assert blends_of(BLENDS, models)["home"] == {"covisitation": BLENDS["home"]["covisitation"]}
    assert "buy-again" not in blends_of(BLENDS, models)


def test_a_real_bundle_offers_tea_to_a_tea_drinker_and_says_why(tmp_path: Path) -> None:
    a_bundle(tmp_path / "bundle")
    bundle = Bundle.open(tmp_path / "bundle", "1")
    history = History.of([bundle.item_index[TEA[0]]])
    for placement in ("home", "product", "cart"):
        blended = propose(bundle, placement, history, 4)
        assert set(bundle.item_ids[blended.item]) <= set(TEA)
        assert bundle.models[blended.source[0]].because(history, int(blended.item[0])) == 0


def test_every_model_of_a_blend_exists() -> None:
    assert {name for weights in BLENDS.values() for name in weights} <= set(MODELS)


def test_who_comes_back_is_weighed_otherwise_than_who_is_in_the_middle_of_a_visit() -> None:
    blends = {"home": {"x": 1.0}, "home/returning": {"y": 1.0}, "cart": {"x": 0.5}}
    visiting = History.of([0])
    back = replace(visiting, in_session=np.zeros(1, np.bool_))
    home, cart = recipe_of(blends, {}, "home"), recipe_of(blends, {}, "cart")
    assert home.at(visiting).weights == {"x": 1.0}
    assert home.at(back).weights == {"y": 1.0}
    assert cart.at(back).weights == {"x": 0.5}


def test_every_ranker_is_taught_by_a_blend_and_used_by_one() -> None:
    assert set(RANKED) | set(TAUGHT_BY.values()) <= set(BLENDS)
    assert set(RANKED.values()) == set(TAUGHT_BY)


def test_each_returning_blend_is_of_a_placement_that_has_its_own() -> None:
    returning = [name.removesuffix(RETURNING) for name in BLENDS if name.endswith(RETURNING)]
    assert "home" in returning
    assert set(returning) <= set(BLENDS)
