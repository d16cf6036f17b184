from collections.abc import Mapping
from dataclasses import replace

import pytest

from tests.unit.training.candidate_suite import checker_board
from training.blend import BLENDS
from training.evaluation.bootstrap import Interval
from training.model_settings import ModelSettings
from training.search.held_out import Difference, HeldOut, Judged
from training.search.questions import HOME, PRODUCT, RETURNING, fold
from training.settings import TrainingSettings
from training.shown_answers import ShownAnswers

WITHOUT_RANKERS = TrainingSettings(ranker_questions=0)


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    """Two hundred visits of tea and tools; what comes next follows from what came before, never from popularity."""
    return HeldOut(fold(checker_board(200), share=0.2, most=1000, seed=0), ShownAnswers.none(), WITHOUT_RANKERS)


def blending(**weights: Mapping[str, float]) -> ModelSettings:
    return ModelSettings({}, {**BLENDS, **weights})


POPULAR, SESSIONS = {"popular": 1.0}, {"session_knn": 1.0}


class TestJudge:
    def test_weights_that_are_surely_better_are_kept(self, held_out: HeldOut) -> None:
        judged = held_out.judge(blending(home=POPULAR), blending(home=SESSIONS), [HOME])
        (found,) = judged.differences
        assert found.better
        assert found.difference.value == pytest.approx(found.chosen - found.in_force)
        assert found.difference.low > 0
        assert judged.kept.blends[HOME] == SESSIONS
        assert judged.harmed == []

    def test_weights_that_are_worse_are_told_and_not_kept(self, held_out: HeldOut) -> None:
        in_force = blending(home=SESSIONS, product=POPULAR)
        judged = held_out.judge(in_force, blending(home=POPULAR, product=SESSIONS), [HOME, PRODUCT])
        assert [each.worse for each in judged.differences] == [True, False]
        assert (judged.kept.blends[HOME], judged.kept.blends[PRODUCT]) == (SESSIONS, SESSIONS)

    def test_equal_settings_are_not_better(self, held_out: HeldOut) -> None:
        judged = held_out.judge(blending(), blending(), [HOME])
        assert not judged.differences[0].better
        assert judged.others == []

    def test_nothing_is_kept_where_a_better_model_makes_another_placement_worse(self, held_out: HeldOut) -> None:
        in_force = blending(home=POPULAR, product={"covisitation": 1.0})
        nothing_counts = {"view": 0.0, "wish": 0.0, "cart": 0.0, "buy": 0.0}
        chosen = blending(home=SESSIONS | {"covisitation": 0.01}, product={"covisitation": 1.0})
        judged = held_out.judge(in_force, chosen.with_values("covisitation", nothing_counts), [HOME])
        assert judged.differences[0].better
        assert PRODUCT in [each.placement for each in judged.harmed]
        assert judged.kept == in_force

    def test_settings_of_models_that_no_better_blend_has_are_not_kept(self, held_out: HeldOut) -> None:
        chosen = replace(blending(home=SESSIONS)).with_values("als", {"factors": 3})
        assert held_out.judge(blending(home=POPULAR), chosen, [HOME]).kept.models == {}


class TestRanked:
    def test_weights_that_a_ranker_makes_needless_are_not_kept(self) -> None:
        """Both blends propose all items there are, of which the ranker knows what follows what."""
        asked = fold(checker_board(1000), share=0.2, most=500, seed=0)
        held_out = HeldOut(asked, ShownAnswers.none(), TrainingSettings())
        in_force, chosen = blending(home=POPULAR | {"session_knn": 0.001}), blending(home=SESSIONS | {"popular": 0.001})
        judged = held_out.judge(in_force, chosen, [HOME])
        alone, ranked = judged.differences
        assert (alone.name, ranked.name) == ("home", "home, ranked")
        assert alone.better
        assert ranked.in_force > alone.in_force
        assert not ranked.better
        assert (judged.better, judged.kept) == ([], in_force)

    def test_a_placement_that_no_ranker_orders_is_judged_by_its_blend(self) -> None:
        asked = fold(checker_board(200), share=0.2, most=1000, seed=0)
        held_out = HeldOut(asked, ShownAnswers.none(), TrainingSettings())
        judged = held_out.judge(blending(product=POPULAR), blending(product=SESSIONS), [PRODUCT])
        assert [each.ranked for each in judged.differences] == [False]
        assert judged.better == [PRODUCT]

    def test_with_too_little_to_teach_a_ranker_the_blend_is_what_is_served(self) -> None:
        asked = fold(checker_board(100), share=0.2, most=1000, seed=0)
        held_out = HeldOut(asked, ShownAnswers.none(), TrainingSettings())
        judged = held_out.judge(blending(home=POPULAR), blending(home=SESSIONS), [HOME])
        assert [each.ranked for each in judged.differences] == [False]
        assert judged.better == [HOME]

    @pytest.mark.parametrize(
        ("alone", "ranked", "kept"),
        [
            ((0.01, 0.03), (0.01, 0.02), True),
            ((-0.01, 0.03), (0.01, 0.02), True),
            ((0.01, 0.03), (-0.01, 0.02), False),
            ((-0.03, -0.01), (0.01, 0.02), False),
        ],
    )
    def test_what_is_served_must_gain_and_the_blend_not_lose(
        self, alone: tuple[float, float], ranked: tuple[float, float], kept: bool
    ) -> None:
        differences = [
            Difference(RETURNING, 500, 0.1, 0.1, Interval(sum(ends) / 2, *ends), ranked=second)
            for ends, second in ((alone, False), (ranked, True))
        ]
        assert Judged(differences, blending(), ()).better == ([RETURNING] if kept else [])
