from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from tests.unit.training.lake_files import NOON, an_event, write_events
from training.dataset import Dataset, read_dataset

Write = Callable[..., list[str]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    return partial(write_events, tmp_path)


def sessions_of(dataset: Dataset) -> list[list[str]]:
    data = dataset.interactions
    return [data.item_ids[data.item[data.session == s]].tolist() for s in range(data.n_sessions)]


def test_only_what_shows_interest_counts_and_by_its_kind(write: Write) -> None:
    files = write(
        an_event(0, "tea"),
        an_event(1, "tea", "select_item"),
        an_event(2, "tea", "add_to_wishlist"),
        an_event(3, "tea", "add_to_cart"),
        an_event(4, "tea", "purchase"),
        an_event(5, "tea", "view_item_list"),
        an_event(6, "tea", "remove_from_cart"),
        an_event(7, "tea", "refund"),
    )
    data = read_dataset(files).interactions
    assert data.kind.tolist() == [Kind.VIEW, Kind.VIEW, Kind.WISH, Kind.CART, Kind.BUY]
    assert data.time.tolist() == [int(NOON.timestamp()) + 60 * minute for minute in range(5)]


def test_an_order_of_several_items_keeps_their_order(write: Write) -> None:
    dataset = read_dataset(write(an_event(0, ["tea", "cup", "ax"], "purchase"), an_event(1, "tea")))
    assert sessions_of(dataset) == [["tea", "cup", "ax", "tea"]]
    assert sorted(dataset.interactions.item_ids.tolist()) == ["ax", "cup", "tea"]


def test_without_a_session_id_a_pause_of_half_an_hour_starts_a_session(write: Write) -> None:
    files = write(an_event(0, "a"), an_event(30, "b"), an_event(61, "c"), an_event(62, "d", user_id="bert"))
    assert sessions_of(read_dataset(files)) == [["a", "b"], ["c"], ["d"]]


def test_session_ids_stand_and_are_each_customers_own(write: Write) -> None:
    files = write(
        an_event(0, "a", session_id="1"),
        an_event(50, "b", session_id="1"),
        an_event(51, "c", session_id="2"),
        an_event(52, "d", session_id="1", user_id="bert"),
    )
    assert sessions_of(read_dataset(files)) == [["a", "b"], ["c"], ["d"]]


def test_what_a_device_did_before_its_login_belongs_to_the_account(write: Write) -> None:
    files = write(
        an_event(0, "a", user_id=None, anonymous_id="phone"),
        an_event(1, "b", name="login", user_id="anna", anonymous_id="phone"),
        an_event(2, "c"),
        an_event(3, "d", user_id=None, anonymous_id="phone"),
        an_event(4, "e", user_id="bert", anonymous_id="tablet"),
        an_event(5, "f", user_id=None, anonymous_id="kiosk"),
    )
    data = read_dataset(files).interactions
    by_user = [sorted(data.item_ids[data.item[data.user == u]].tolist()) for u in range(data.n_users)]
    assert sorted(by_user) == [["a", "c"], ["d"], ["e"], ["f"]]


def test_withheld_consent_keeps_an_event_out(write: Write) -> None:
    withheld = {"analytics": True, "personalisation": False}
    dataset = read_dataset(write(an_event(0, "a", consent=withheld), an_event(1, "b"), an_event(2, "c", consent=None)))
    assert sorted(dataset.interactions.item_ids.tolist()) == ["b", "c"]


def test_markets_are_numbered_and_may_be_missing(write: Write) -> None:
    files = write(an_event(0, "a", market=None), an_event(1, "b"), an_event(2, "c", market="AT"))
    data = read_dataset(files).interactions
    assert data.markets == ("AT", "DE")
    assert data.market.tolist() == [-1, 1, 0]


def test_a_customer_who_acts_like_a_bot_is_left_out_and_named(write: Write) -> None:
    bot = [an_event(second / 60, "a", user_id="bot", event_id=f"bot {second}") for second in range(51)]
    dataset = read_dataset(write(*bot, an_event(0, "b")), most_events_a_day=50)
    assert sorted(dataset.interactions.item_ids.tolist()) == ["b"]
    assert [str(bot) for bot in dataset.left_out] == ["u:bot: 51 events, 51 of them in one day"]
    assert read_dataset(write(*bot), most_events_a_day=51).left_out == ()


def test_a_shop_of_bots_only_is_refused(write: Write) -> None:
    with pytest.raises(BadInput, match="most_events_a_day"):
        read_dataset(write(an_event(0, "a"), an_event(1, "b")), most_events_a_day=1)


def test_the_window_counts_back_from_the_newest_interaction(write: Write) -> None:
    day = 24 * 60
    files = write(an_event(0, "old"), an_event(8 * day, "new"), an_event(9 * day, "newest"))
    assert sorted(read_dataset(files, window_days=2).interactions.item_ids.tolist()) == ["new", "newest"]
    until = NOON + timedelta(days=8, hours=1)
    dataset = read_dataset(files, until=until, window_days=30)
    assert sorted(dataset.interactions.item_ids.tolist()) == ["new", "old"]
    assert (dataset.first_event, dataset.last_event) == (NOON, NOON + timedelta(days=8))


def test_an_empty_window_is_refused_with_what_there_is(write: Write) -> None:
    files = write(an_event(0, "a"), an_event(1, "b"))
    with pytest.raises(BadInput, match=r"2 events lie between 2026-03-01.*widen --since"):
        read_dataset(files, since=NOON + timedelta(days=1))


def test_a_lake_without_events_is_refused() -> None:
    with pytest.raises(BadInput, match="shopfloor import"):
        read_dataset([])


def test_a_lake_with_nothing_of_interest_is_refused(write: Write) -> None:
    with pytest.raises(BadInput, match="no views, carts or purchases"):
        read_dataset(write(an_event(0, "a", "search"), an_event(1, "b", "login")))


def test_ids_of_any_characters(write: Write) -> None:
    ids = ["tea ☕", 'it\'s "5"', "a/b\\c", "\n", "ключ", "0" * 256]
    files = write(an_event(0, ids, user_id="☕ 'u'", session_id="s;--", market=None))
    data = read_dataset(files).interactions
    assert sorted(data.item_ids.tolist()) == sorted(ids)
    assert np.all(data.market == -1)
    assert data.markets == ()
