"""Trending items."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite, numbers
from training.candidates import trending
from training.candidates.trending import Trending, TrendingSettings
from training.interactions import History, Interactions, Taxonomy, from_frame

DAY = 86_400
NOBODY = History.of([])


def views(item: str, days: range, a_day: int, market: str = "DE") -> list[tuple[str, str, int]]:
    return [(item, market, day) for day in days for _ in range(a_day)]


def shop(*views: list[tuple[str, str, int]]) -> Interactions:
    rows = [view for part in views for view in part]
    return from_frame(
        pd.DataFrame(
            {
                "user": np.arange(len(rows)),
                "item": [item for item, _, _ in rows],
                "market": [market for _, market, _ in rows],
                "time": [day * DAY for _, _, day in rows],
            }
        )
    )


def offered(data: Interactions, history: History = NOBODY, settings: TrendingSettings | None = None) -> list[str]:
    return [str(item) for item in data.item_ids[Trending.fit(data, settings=settings).propose(history, 9).item]]


class TestTrending(CandidateSuite):
    model = Trending
    personal = False


def test_what_rises_comes_before_what_is_wanted_most() -> None:
    data = shop(views("evergreen", range(60), 20), views("rising", range(55, 60), 8), views("over", range(50), 8))
    assert offered(data)[0] == "rising"
    assert "over" not in offered(data)


def test_nothing_rises_in_a_shop_where_every_day_is_like_the_last() -> None:
    data = shop(views("a", range(60), 5), views("b", range(60), 9))
    assert offered(data) == []


def test_more_of_everything_is_no_trend_of_an_item() -> None:
    data = shop(*[views(item, days, n) for item in "ab" for days, n in ((range(50), 2), (range(50, 60), 20))])
    assert offered(data) == []


def test_two_views_of_something_rare_are_less_than_a_crowd() -> None:
    data = shop(views("evergreen", range(60), 20), views("rare", range(59, 60), 2), views("crowd", range(58, 60), 9))
    assert offered(data) == ["crowd", "rare"]


def test_a_market_has_its_own_trends_and_one_without_data_those_of_the_shop() -> None:
    steady = [views("evergreen", range(60), 20, market) for market in ("GB", "FR")]
    data = shop(*steady, views("kilt", range(56, 60), 9, "GB"), views("beret", range(56, 60), 7, "FR"))
    in_france = History.of([], market=data.markets.index("FR"))
    assert offered(data, in_france)[0] == "beret"
    assert offered(data, History.of([], market=len(data.markets))) == offered(data) == ["kilt", "beret"]


def test_a_customers_own_categories_come_first() -> None:
    data = shop(views("spade", range(60), 20), views("rake", range(56, 60), 6), views("lamp", range(56, 60), 9))
    category = np.array([0 if item == "lamp" else 1 for item in data.item_ids.tolist()], np.int32)
    data = replace(data, taxonomy=Taxonomy(category, category))
    gardener = History.of(numbers(data, "spade"), Kind.VIEW)
    assert offered(data) == ["lamp", "rake"]
    assert offered(data, gardener) == ["rake", "lamp"]
    model = Trending.fit(data)
    rake, lamp = numbers(data, "rake", "lamp")
    assert (model.because(gardener, rake), model.because(gardener, lamp)) == (0, None)
    assert offered(data, gardener, TrendingSettings(preference=0)) == ["lamp", "rake"]


def test_a_category_whose_trends_are_small_beside_the_shops_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trending, "DEPTH", 1)
    steady = [views("evergreen", range(60), 20, market) for market in ("GB", "FR")]
    hats = [views("kilt", range(56, 60), 5, "GB"), views("beret", range(56, 60), 4, "FR"), views("cap", range(60), 1)]
    data = shop(*steady, *hats, *(views("crowd", range(56, 60), 30, market) for market in ("GB", "FR")))
    model = Trending.fit(data)
    for market, expected in (("GB", ["kilt", "beret"]), ("FR", ["beret", "kilt"])):
        here = History.of([], market=data.markets.index(market))
        assert data.item_ids[model.propose(here, 9).item].tolist() == ["crowd"]
        found = model.propose_among(here, np.isin(data.item_ids, ["kilt", "beret", "cap"]), 9)
        assert data.item_ids[found.item].tolist() == expected
    everything = model.propose_among(NOBODY, np.ones(data.n_items, np.bool_), 1)
    listed = model.propose(NOBODY, 1)
    assert (everything.item, everything.score) == (listed.item, listed.score)
