"""The suite that every candidate model inherits: what serving and evaluation rely on, whatever the model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt
from training.candidates.candidate import CandidateModel, Candidates
from training.interactions import History, Interactions, from_frame

TEA = ("tea/green 1", "tea ☕", "tea\n2", "tea'4\"")
TOOLS = ("10", "tool-β", "tool\\x", "🔨")


def checker_board(visits: int = 12) -> Interactions:
    """Two kinds of customers who never meet: half see and buy only tea, half only tools, each in a fixed order."""
    rows = [
        {
            "user": f"customer {visit}",
            "session": visit,
            "item": shelf[(visit // 2 + step) % 4],
            "event": Kind.BUY if step else Kind.VIEW,
            "time": 1_700_000_000 + visit * 3600 + step * 60,
            "market": "DE" if visit % 2 else "FR",
        }
        for visit in range(visits)
        for shelf in [TEA if visit % 2 else TOOLS]
        for step in range(3)
    ]
    return from_frame(pd.DataFrame(rows))


def numbers(interactions: Interactions, *ids: str) -> list[int]:
    return [int(np.flatnonzero(interactions.item_ids == item)[0]) for item in ids]


def equal(one: Candidates, other: Candidates) -> bool:
    return np.array_equal(one.item, other.item) and np.array_equal(one.score, other.score)


class CandidateSuite:
    """Inherit as ``class TestX(CandidateSuite): model = X``.

    ``settings`` are keyword arguments of ``fit``. ``personal`` is False for a model that answers without any history,
    ``for_untouched`` True for one that knows of items without interactions.
    """

    model: ClassVar[type[CandidateModel]]
    settings: ClassVar[dict[str, Any]] = {}
    personal: ClassVar[bool] = True
    for_untouched: ClassVar[bool] = False

    def fit(self, interactions: Interactions, seed: int = 7) -> CandidateModel:
        return self.model.fit(interactions, seed=seed, **self.settings)

    def obvious_history(self, board: Interactions) -> History:
        now = int(board.time.max()) + 60
        return History.of(numbers(board, TEA[0], TEA[1]), Kind.BUY, market=board.markets.index("DE"), now=now)

    @pytest.fixture
    def board(self) -> Interactions:
        return checker_board()

    @pytest.fixture
    def fitted(self, board: Interactions) -> CandidateModel:
        return self.fit(board)

    def test_a_tea_drinker_is_offered_tea(self, board: Interactions, fitted: CandidateModel) -> None:
        best = fitted.propose(self.obvious_history(board), 3).item
        assert len(best) > 0
        assert set(board.item_ids[best[:2]]) <= set(TEA)

    def test_answers_are_ordered_and_hold_each_item_once(self, board: Interactions, fitted: CandidateModel) -> None:
        for length in range(1, 5):
            answer = fitted.propose(History.of(list(range(length)), Kind.BUY), 100)
            assert answer.item.dtype == np.int32
            assert answer.score.dtype == np.float32
            assert len(set(answer.item.tolist())) == len(answer.item) == len(answer.score)
            assert np.all(np.diff(answer.score) <= 0)
            assert np.all(answer.score > 0)
            assert np.all(np.isfinite(answer.score))
            assert np.all((answer.item >= 0) & (answer.item < board.n_items))

    def test_never_more_than_asked(self, board: Interactions, fitted: CandidateModel) -> None:
        history = self.obvious_history(board)
        everything = fitted.propose(history, 100)
        for n in (0, 1, 2):
            assert len(fitted.propose(history, n).item) == min(n, len(everything.item))

    def test_a_visitor_without_history(self, board: Interactions, fitted: CandidateModel) -> None:
        answer = fitted.propose(History.of([], now=int(board.time.max())), 5)
        assert (len(answer.item) == 0) == self.personal
        assert fitted.because(History.of([]), 0) is None

    def test_asking_changes_nothing(self, board: Interactions, fitted: CandidateModel) -> None:
        history = self.obvious_history(board)
        first = fitted.propose(history, 5)
        fitted.propose(History.of(numbers(board, *TOOLS)), 5)
        assert equal(first, fitted.propose(history, 5))

    def test_the_same_seed_fits_the_same_model(self, board: Interactions, fitted: CandidateModel) -> None:
        again = self.fit(board)
        for history in _histories(board):
            assert equal(fitted.propose(history, 8), again.propose(history, 8))

    def test_a_saved_model_answers_the_same(self, board: Interactions, fitted: CandidateModel, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        loaded = self.model.load(tmp_path)
        for history in _histories(board):
            assert equal(fitted.propose(history, 8), loaded.propose(history, 8))
            assert fitted.because(history, 0) == loaded.because(history, 0)

    def test_nothing_is_pickled(self, fitted: CandidateModel, tmp_path: Path) -> None:
        fitted.save(tmp_path)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        for path in files:
            if path.suffix == ".npy":
                np.load(path, allow_pickle=False)
            elif path.suffix == ".json":
                json.loads(path.read_bytes())
            else:
                assert path.suffix == ".parquet", f"{path.name} is of a kind that a bundle does not hold"

    def test_a_missing_or_cut_file_is_named(self, fitted: CandidateModel, tmp_path: Path) -> None:
        whole = tmp_path / "whole"
        whole.mkdir()
        fitted.save(whole)
        for name in [path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()]:
            for damage in ("missing", "cut"):
                folder = tmp_path / f"{damage} {name.replace('/', ' ')}"
                shutil.copytree(whole, folder)
                if damage == "cut":
                    (folder / name).write_bytes((folder / name).read_bytes()[:-1])
                else:
                    (folder / name).unlink()
                with pytest.raises(Corrupt, match=name.replace(".", r"\.")):
                    self.model.load(folder)

    def test_the_reason_is_something_the_customer_did(self, board: Interactions, fitted: CandidateModel) -> None:
        history = self.obvious_history(board)
        for item in fitted.propose(history, 8).item:
            position = fitted.because(history, int(item))
            assert position is None or 0 <= position < len(history.item)

    def test_items_that_nobody_touched_are_proposed_only_by_who_knows_of_them(self, board: Interactions) -> None:
        untouched = np.array([f"untouched {number}" for number in range(5)])
        fitted = self.fit(replace(board, item_ids=np.concatenate([board.item_ids, untouched])))
        for history in (self.obvious_history(board), History.of([board.n_items], now=int(board.time.max()))):
            answer = fitted.propose(history, 100)
            assert np.all(np.isfinite(answer.score))
            assert self.for_untouched or np.all(answer.item < board.n_items)
            fitted.because(history, board.n_items + 1)

    @pytest.mark.parametrize(
        "rows",
        [
            pytest.param([("anna", "tea", 5)], id="one event"),
            pytest.param([("anna", "tea", t) for t in range(300)], id="one item, seen again and again"),
            pytest.param([("anna", item, 5) for item in "abcabc"], id="one customer, all at the same second"),
            pytest.param([(user, item, 5) for user in "xyz" for item in "abc"], id="every item in every basket"),
        ],
    )
    def test_a_shop_with_next_to_no_data(self, rows: list[tuple[str, str, int]]) -> None:
        interactions = from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))
        model = self.fit(interactions)
        answer = model.propose(History.of([0], Kind.BUY, now=10), 5)
        assert len(answer.item) <= interactions.n_items
        assert np.all(np.isfinite(answer.score))
        model.because(History.of([0], now=10), 0)


def _histories(board: Interactions) -> list[History]:
    now = int(board.time.max()) + 60
    return [
        History.of(items, kind, market=market, now=now)
        for items in ([], [0], [1, 0], [2, 5, 2], list(range(board.n_items)))
        for kind in (Kind.VIEW, Kind.BUY)
        for market in (-1, 0)
    ]
