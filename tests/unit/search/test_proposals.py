from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.training.candidate_suite import checker_board
from training.blend import DEPTH
from training.candidates import MODELS
from training.candidates.candidate import CandidateModel
from training.fusion import blended
from training.interactions import History
from training.search.proposals import K, Proposals
from training.search.questions import Asked


@pytest.fixture(scope="module")
def models() -> Mapping[str, CandidateModel]:
    board = checker_board()
    return {name: MODELS[name].fit(board, seed=1) for name in ("popular", "covisitation", "session_knn")}


def asked(*items: int, relevant: tuple[int, ...]) -> Asked:
    return Asked(History.of(items), np.array(relevant, np.int32), visit=0)


class TestProposals:
    @pytest.mark.parametrize("weights", [(1.0, 0.5, 0.02), (0.3, 1.0, 0.7), (0.0, 1.0, 0.0)])
    def test_a_right_item_stands_where_the_blend_puts_it(
        self, models: Mapping[str, CandidateModel], weights: tuple[float, ...]
    ) -> None:
        blend = {name: weight for name, weight in zip(models, weights, strict=True) if weight > 0}
        questions = [asked(item, relevant=(right,)) for item in range(6) for right in range(6)]
        hits = Proposals.of(questions, models).hits(blend)
        for question, found in zip(questions, hits, strict=True):
            proposals = {name: model.propose(question.history, DEPTH) for name, model in models.items()}
            answered = blended(proposals, blend, K).item
            assert np.flatnonzero(found).tolist() == np.flatnonzero(answered == question.relevant[0]).tolist()

    def test_ndcg_counts_all_right_items_also_those_that_nobody_proposes(
        self, models: Mapping[str, CandidateModel]
    ) -> None:
        only = {"popular": models["popular"]}
        first, second = models["popular"].propose(History.of([0]), 2).item.tolist()
        values = Proposals.of(
            [asked(0, relevant=(first,)), asked(0, relevant=(second, 10_000)), asked(0, relevant=(10_000,))], only
        ).ndcg({"popular": 1.0})
        second_of_two = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
        assert values.tolist() == pytest.approx([1.0, second_of_two, 0.0])

    def test_models_that_know_nothing_of_a_question_answer_nothing(self, models: Mapping[str, CandidateModel]) -> None:
        only = {"session_knn": models["session_knn"]}
        proposals = Proposals.of([asked(relevant=(1,)), asked(0, relevant=(1,))], only)
        assert proposals.start.tolist()[:2] == [0, 0]
        assert not proposals.hits({"session_knn": 1.0})[0].any()

    def test_what_is_in_view_takes_no_place(self, models: Mapping[str, CandidateModel]) -> None:
        only = {"popular": models["popular"]}
        first, second = models["popular"].propose(History.of([0]), 2).item.tolist()
        question = replace(asked(first, relevant=(second,)), hidden=np.array([first], np.int32))
        assert Proposals.of([question], only).ndcg({"popular": 1.0}).tolist() == [1.0]
