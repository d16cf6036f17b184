"""Popular items."""

import numpy as np
import pandas as pd

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.popular import Popular, PopularSettings
from training.interactions import History, from_frame

DAY = 86_400
NOBODY = History.of([])


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
