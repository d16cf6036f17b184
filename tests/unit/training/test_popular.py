"""Popular items."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates import popular
from training.candidates.popular import Popular, PopularSettings
from training.interactions import History, Interactions, from_frame

DAY = 86_400
NOBODY = History.of([])


def among(model: Popular, board: Interactions, market: str, *items: str, n: int = 9) -> list[str]:
    """The best of these items alone, as the market wants them."""
    here = History.of([], market=board.markets.index(market) if market in board.markets else -1)
    allowed = np.isin(board.item_ids, items)
    return [str(item) for item in board.item_ids[model.propose_among(here, allowed, n).item]]


def shop(*rows: tuple[str, str, Kind, int]) -> pd.DataFrame:
    return pd.DataFrame(
        [{"user": str(n), "item": i, "market": m, "event": k, "time": t} for n, (i, m, k, t) in enumerate(rows)]
    )


class TestPopular(CandidateSuite):
    model = Popular
    personal = False


def test_a_market_shows_its_own_favourites_first() -> None:
    board = from_frame(shop(*[("kilt", "GB", Kind.VIEW, 0)] * 5, *[("beret", "FR", Kind.VIEW, 0)] * 9))
    model = Popular.fit(board, settings=PopularSettings(prior=1))
    british = model.propose(History.of([], market=board.markets.index("GB")), 2)
    assert board.item_ids[british.item].tolist() == ["kilt", "beret"]
    assert board.item_ids[model.propose(NOBODY, 1).item].tolist() == ["beret"]


def test_a_market_without_data_falls_back_to_all_markets() -> None:
    rows = shop(*[("kilt", "GB", Kind.VIEW, 0)] * 2, ("beret", "FR", Kind.VIEW, 0))
    board = from_frame(rows)
    model = Popular.fit(board)
    unheard_of = model.propose(History.of([], market=len(board.markets)), 5)
    np.testing.assert_array_equal(unheard_of.item, model.propose(NOBODY, 5).item)


def test_a_purchase_counts_more_than_a_look() -> None:
    board = from_frame(shop(*[("seen", "DE", Kind.VIEW, 0)] * 4, ("bought", "DE", Kind.BUY, 0)))
    assert board.item_ids[Popular.fit(board).propose(NOBODY, 1).item].tolist() == ["bought"]


def test_last_years_fashion_fades() -> None:
    board = from_frame(shop(*[("old", "DE", Kind.VIEW, 0)] * 9, ("new", "DE", Kind.VIEW, 60 * DAY)))
    model = Popular.fit(board, settings=PopularSettings(half_life_days=14))
    assert board.item_ids[model.propose(NOBODY, 1).item].tolist() == ["new"]


class TestSomeItemsAlone:
    """As on the page of a category."""

    @pytest.fixture(autouse=True)
    def short_lists(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Markets keep the order of two items, so that all categories but one lie further down."""
        monkeypatch.setattr(popular, "DEPTH", 2)

    @pytest.fixture
    def board(self) -> Interactions:
        """Everybody wants tea; of tents the British want the red one, and the French, who are more, the blue one."""
        tea = [(item, market, Kind.BUY, 0) for item in ("tea-1", "tea-2") for market in ("GB", "FR") for _ in range(50)]
        tents = [("red", "GB", Kind.VIEW, 0)] * 3 + [("blue", "GB", Kind.VIEW, 0)] + [("blue", "FR", Kind.VIEW, 0)] * 9
        return from_frame(shop(*tea, *tents, ("green", "FR", Kind.VIEW, 0)))

    def test_a_category_outside_the_markets_list_has_its_favourites(self, board: Interactions) -> None:
        model = Popular.fit(board, settings=PopularSettings(prior=1))
        assert model.item.shape == (3, 2)
        assert among(model, board, "GB", "red", "blue") == ["red", "blue"]
        assert among(model, board, "FR", "red", "blue") == ["blue", "red"]
        assert among(model, board, "FR", "red", "blue", n=1) == ["blue"]

    def test_what_the_market_never_touched_follows_as_all_markets_want_it(self, board: Interactions) -> None:
        model = Popular.fit(board, settings=PopularSettings(prior=1))
        assert among(model, board, "GB", "green", "red", "blue") == ["red", "blue", "green"]
        assert among(model, board, "no such market", "green", "red", "blue") == ["blue", "red", "green"]

    def test_without_a_prior_a_market_speaks_for_itself_alone(self, board: Interactions) -> None:
        assert among(Popular.fit(board, settings=PopularSettings(prior=0)), board, "GB", "green", "red") == ["red"]

    def test_no_item_at_all(self, board: Interactions) -> None:
        assert among(Popular.fit(board), board, "GB") == []

    def test_of_all_items_the_best_are_those_of_the_markets_list(self, board: Interactions, tmp_path: Path) -> None:
        fitted = Popular.fit(board)
        fitted.save(tmp_path)
        for model in (fitted, Popular.load(tmp_path)):
            for market in (-1, 0, 1, 2):
                here = History.of([], market=market)
                listed, found = model.propose(here, 2), model.propose_among(here, np.ones(board.n_items, np.bool_), 2)
                np.testing.assert_array_equal(found.item, listed.item)
                np.testing.assert_array_equal(found.score, listed.score)
