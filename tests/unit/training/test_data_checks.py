from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from training.data_checks import DAY_SECONDS, DataShift, item_counts, profile_of, shift_between, stability
from training.interactions import Interactions, from_frame


def shop(days: int, a_day: int = 200, first_day: int = 100, items: int = 100, seed: int = 0) -> Interactions:
    """Nine views for each purchase in two markets; item n is bought less the larger n is."""
    n, rng = days * a_day, np.random.default_rng(seed)
    return from_frame(
        pd.DataFrame(
            {
                "user": np.arange(n) % 50,
                "session": np.arange(n) // 4,
                "item": [f"item {number:03}" for number in (items * rng.random(n) ** 2).astype(int)],
                "event": np.where(np.arange(n) % 10, Kind.VIEW, Kind.BUY),
                "time": (first_day * DAY_SECONDS + np.arange(n) * (DAY_SECONDS / a_day)).astype(np.int64),
                "market": np.where(np.arange(n) % 3, "DE", "FR"),
            }
        )
    )


def shift(champion: Interactions, now: Interactions) -> DataShift:
    return shift_between(profile_of(champion), champion.item_ids, item_counts(champion), now)


def joined(champion: Interactions, later: Interactions) -> Interactions:
    """Champion's data and what came after, with one vocabulary."""
    frames = []
    for part in (champion, later):
        columns = {"user": part.user, "item": part.item_ids[part.item], "event": part.kind, "time": part.time}
        markets = np.array(part.markets)[part.market]
        frames.append(pd.DataFrame(columns | {"session": part.session + len(frames) * 10**6, "market": markets}))
    return from_frame(pd.concat(frames))


def test_a_profile_counts_what_was_learnt_from() -> None:
    profile = profile_of(shop(days=5))
    assert profile.interactions == sum(profile.kinds.values()) == sum(profile.markets.values()) == 1000
    assert profile.kinds == {"view": 900, "buy": 100}
    assert list(profile.popularity) == sorted(profile.popularity, reverse=True)
    assert sum(profile.popularity) == 1000


def test_more_of_the_same_is_no_shift() -> None:
    champion = shop(days=10)
    found = shift(champion, joined(champion, shop(days=7, first_day=110, seed=1)))
    assert found.since == 1400
    assert abs(found.drop) < 0.02
    assert max(found.psi.values()) < 0.03


def test_products_that_nobody_touched_shift_nothing_until_they_sell() -> None:
    champion = shop(days=10)
    more = np.array([*champion.item_ids.tolist(), *(f"untouched {n:03}" for n in range(900))])
    catalogued = replace(champion, item_ids=more)
    assert profile_of(catalogued) == profile_of(champion)
    assert shift(champion, catalogued).psi["item popularity"] == 0
    assert shift(catalogued, catalogued).psi["item popularity"] == 0
    sold = replace(catalogued, item=np.where(np.arange(len(catalogued)) % 2, catalogued.item, 500).astype(np.int32))
    found = shift(catalogued, sold)
    assert found.moved["item popularity"] == "items the champion did not know from 0.0% to 50.0%"


def test_half_of_the_events_lost_lately_is_seen_through_a_long_window() -> None:
    champion = shop(days=30)
    found = shift(champion, joined(champion, shop(days=14, a_day=80, first_day=130)))
    assert found.drop == pytest.approx(0.6, abs=0.02)


def test_a_stream_of_which_nearly_nothing_is_left_is_seen_though_little_came_to_see_it_by() -> None:
    champion = shop(days=90)
    found = shift(champion, joined(champion, shop(days=30, a_day=1, first_day=190)))
    assert found.since == 30
    assert found.drop > 0.99


def test_a_short_window_has_as_many_a_day_and_is_seen_to_hold_little() -> None:
    champion = shop(days=30)
    found = shift(champion, shop(days=3, first_day=127, seed=1))
    assert found.drop == pytest.approx(0, abs=0.01)
    assert found.fewer == pytest.approx(0.9)
    assert found.earlier_seconds == 0
    assert shift(shop(days=3, first_day=127), champion).fewer == pytest.approx(-9)


def test_a_window_that_ends_before_the_champions_is_seen() -> None:
    found = shift(shop(days=30), shop(days=20, first_day=100))
    assert found.earlier_seconds == 10 * DAY_SECONDS


def test_a_window_that_begins_after_the_champion_ended_lacks_nothing_but_the_time_before() -> None:
    found = shift(shop(days=30), shop(days=30, first_day=190, seed=1))
    assert found.drop == pytest.approx(0, abs=0.01)
    assert found.fewer == pytest.approx(0)


def test_purchases_that_stopped_are_named() -> None:
    champion, later = shop(days=30), shop(days=7, first_day=130)
    found = shift(champion, joined(champion, replace(later, kind=np.full(len(later), Kind.VIEW, np.int8))))
    assert found.psi["event kinds"] > 0.25
    assert found.moved["event kinds"] == "buy from 10.0% to 0.0%"
    assert found.psi["markets"] < 0.01


def test_a_market_that_went_away_is_named() -> None:
    champion, later = shop(days=30), shop(days=7, first_day=130)
    found = shift(champion, joined(champion, replace(later, market=np.zeros(len(later), np.int32))))
    assert found.psi["markets"] > 0.25
    assert found.moved["markets"] == "FR from 33.3% to 0.0%"


def test_items_that_changed_places_or_are_new_are_seen_though_the_curve_is_the_same() -> None:
    champion = shop(days=30)
    turned = replace(champion, item=champion.item[::-1].max() - champion.item)
    assert shift(champion, turned).psi["item popularity"] > 0.25
    renamed = replace(champion, item_ids=np.array([f"other {n}" for n in range(champion.n_items)]))
    found = shift(champion, renamed)
    assert found.psi["item popularity"] > 0.25
    assert found.moved["item popularity"] == "items the champion did not know from 0.0% to 100.0%"


def test_a_few_events_since_are_measured_with_all_the_others() -> None:
    champion = shop(days=30)
    found = shift(champion, joined(champion, shop(days=1, a_day=50, first_day=130)))
    assert found.since == 50
    assert max(found.psi.values()) < 0.01
    assert abs(found.drop) < 0.05


def test_the_index_is_the_known_one() -> None:
    index, moved = stability({"a": 50, "b": 50}, {"a": 25, "b": 75})
    assert index == pytest.approx(-0.25 * np.log(0.5) + 0.25 * np.log(1.5))
    assert moved == "a from 50.0% to 25.0%"
