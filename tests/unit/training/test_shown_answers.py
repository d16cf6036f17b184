"""Answers that customers saw, as a ranker learns from them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.contracts.tables import EXPOSURES_SCHEMA
from tests.unit.training.lake_files import NOON, an_event, write_events
from training import blend
from training.candidates.candidate import CandidateModel
from training.candidates.popular import Popular
from training.dataset import END, Dataset, read_dataset
from training.folds import in_visits
from training.holdout import split
from training.lessons import Subject, lessons
from training.ranker import RankerSettings, Rows, shown_rows
from training.ranking_features import Signals, feature_names
from training.shown_answers import lists_between
from training.trees import Trees

NOON_SECONDS = int(NOON.timestamp())


def an_answer(minute: float, *items: str, name: str = "r1", **changes: Any) -> dict[str, Any]:
    shown = [
        {"item_id": item, "position": place, "score": 1.0, "propensity": 1.0, "reason": ""}
        for place, item in enumerate(items)
    ]
    when = an_event(minute, "a")["event_time"]
    return {
        "recommendation_id": name,
        "shown_at": when,
        "customer_key": "u:anna",
        "placement": "home",
        "degraded": [],
        "items": shown,
    } | changes


def read(folder: Path, answers: list[dict[str, Any]], *events: dict[str, Any], until: datetime = END) -> Dataset:
    exposures = folder / "exposures.parquet"
    pq.write_table(pa.Table.from_pylist(answers, schema=EXPOSURES_SCHEMA), exposures)
    return read_dataset(write_events(folder, *events), exposures=[str(exposures)], until=until)


def clicked(minute: float, item: str, name: str = "r1", event: str = "select_item") -> dict[str, Any]:
    return an_event(minute, item, event, recommendation_id=name)


VISIT = (an_event(0, "a"), an_event(1, "b"))
WITHHELD = {"consent": {"personalisation": False}}
DAY = 60 * 24
"""Minutes."""


def labels(data: Dataset, until_minute: float = 100 * DAY, visiting: bool = True) -> list[list[int]]:
    """The labels of each list that was shown before a minute."""
    until = NOON_SECONDS + int(60 * until_minute)
    return [found.label.tolist() for found in lists_between(data.shown, data.interactions, 0, until, visiting)]


class TestReading:
    def test_a_click_within_a_visit_is_right_and_what_was_passed_over_is_not(self, tmp_path: Path) -> None:
        data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(3, "c"), clicked(2.5, "a"))
        (found,) = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 999, visiting=True)
        ids = data.interactions.item_ids
        assert ids[found.item].tolist() == ["c", "b", "a"]
        assert found.label.tolist() == [0, 0, 1]
        assert found.place.tolist() == [0, 1, 2]
        assert ids[found.history.item].tolist() == ["a", "b"]
        assert found.history.in_session.all()
        assert found.history.now == NOON_SECONDS + 120

    @pytest.mark.parametrize("login_minute", [None, 9])
    def test_what_a_device_was_shown_teaches_also_after_it_logged_in(
        self, tmp_path: Path, login_minute: float | None
    ) -> None:
        device = {"user_id": None, "anonymous_id": "phone"}
        events = [an_event(0, "a", **device), an_event(1, "b", **device), clicked(3, "a") | device]
        if login_minute is not None:
            events.append(an_event(login_minute, "z", name="login", user_id="anna", anonymous_id="phone"))
        data = read(tmp_path, [an_answer(2, "c", "b", "a", customer_key="a:phone")], *events, an_event(4, "c"))
        (found,) = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 999, visiting=True)
        assert data.interactions.item_ids[found.history.item].tolist() == ["a", "b"]
        assert found.label.tolist() == [0, 0, 1]

    def test_before_the_first_click_only_a_purchase_is_right(self, tmp_path: Path) -> None:
        answers = [an_answer(600, "c", "b", "a"), an_answer(600, "c", "b", "a", name="r2")]
        later = (clicked(601, "b"), clicked(602, "b", "r2"), clicked(603, "a", "r2", "purchase"))
        data = read(tmp_path, answers, *VISIT, an_event(3, "c"), *later)
        assert lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 99_999, visiting=True) == []
        (found,) = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 99_999, visiting=False)
        assert found.label.tolist() == [0, 0, 1]

    @pytest.mark.parametrize(
        "answer",
        [
            an_answer(2, "c", "b", placement="product"),
            an_answer(2, "c", "b", asked_with=["exclude_item_ids", "category_ids"]),
            an_answer(2, "c", "b", asked_with=["item_ids"]),
            an_answer(2, "c", "b", customer_key="u:nobody"),
            an_answer(2, "c", "b", name="nobody acted on it"),
            an_answer(2, "a"),
        ],
    )
    def test_what_teaches_nothing_is_left_out(self, tmp_path: Path, answer: dict[str, Any]) -> None:
        data = read(tmp_path, [answer], *VISIT, clicked(2.5, "b"))
        assert len(data.shown) == 0

    def test_an_item_that_is_no_longer_known_is_left_out_and_the_places_stay(self, tmp_path: Path) -> None:
        data = read(tmp_path, [an_answer(2, "gone", "a", "b")], *VISIT, clicked(2.5, "b"))
        (found,) = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 999, visiting=True)
        assert found.place.tolist() == [1, 2]

    def test_what_a_page_keeps_out_of_an_answer_makes_no_other_lesson_of_it(self, tmp_path: Path) -> None:
        answer = an_answer(2, "c", "b", "a", asked_with=["recent_item_ids", "exclude_item_ids"])
        assert labels(read(tmp_path, [answer], *VISIT, an_event(3, "c"), clicked(2.5, "a"))) == [[0, 0, 1]]

    def test_exposures_of_before_the_contract_told_what_was_asked_with_teach(self, tmp_path: Path) -> None:
        older = EXPOSURES_SCHEMA.remove(EXPOSURES_SCHEMA.get_field_index("asked_with"))
        exposures = tmp_path / "exposures.parquet"
        pq.write_table(pa.Table.from_pylist([an_answer(2, "c", "b", "a")], schema=older), exposures)
        events = write_events(tmp_path, *VISIT, an_event(3, "c"), clicked(2.5, "a"))
        assert labels(read_dataset(events, exposures=[str(exposures)])) == [[0, 0, 1]]

    def test_the_market_is_that_of_the_question(self, tmp_path: Path) -> None:
        """As in the service, whichever one the customer acted in before."""
        names = {"r1": "CH", "r2": "DE", "r3": None, "r4": "nowhere"}
        answers = [an_answer(2, "c", "b", "a", name=name, market=market) for name, market in names.items()]
        clicks = [clicked(2.5, "a", name) for name in names]
        data = read(tmp_path, answers, *VISIT, an_event(-90, "c", market="CH"), *clicks)
        found = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 999, visiting=True)
        markets = (*data.interactions.markets, None)
        assert [markets[each.history.market] for each in found] == ["CH", "DE", None, None]

    def test_what_came_without_consent_is_right_in_no_list(self, tmp_path: Path) -> None:
        """It is neither enough for an answer to be read, nor the right one where another click was."""
        answers = [an_answer(2, "c", "b", "a"), an_answer(2, "c", "b", "a", name="r2")]
        events = (*VISIT, an_event(3, "c"), clicked(2.5, "a") | WITHHELD)
        assert len(read(tmp_path, answers, *events).shown) == 0
        data = read(tmp_path, answers, *events, clicked(2.6, "a", "r2") | WITHHELD, clicked(2.7, "b", "r2"))
        assert labels(data) == [[0, 1, 0]]

    def test_what_was_done_after_the_training_s_end_is_not_known(self, tmp_path: Path) -> None:
        events = (*VISIT, an_event(3, "c"), clicked(30, "a"), clicked(29, "b"))
        for minute, right in ((30, [0, 1, 0]), (31, [0, 1, 1])):
            data = read(tmp_path, [an_answer(2, "c", "b", "a")], *events, until=NOON + timedelta(minutes=minute))
            assert labels(data) == [right]
        assert len(read(tmp_path, [an_answer(2, "c", "b")], *events, until=NOON + timedelta(minutes=29)).shown) == 0

    def test_what_was_done_after_a_list_s_time_is_not_known(self, tmp_path: Path) -> None:
        later = (clicked(3, "b"), clicked(30, "a"), clicked(40, "b", event="purchase"))
        data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(3, "c"), *later)
        assert labels(data, 3) == []
        assert labels(data, 30) == [[0, 1, 0]]
        assert labels(data, 31) == [[0, 1, 1]]

    def test_a_click_does_not_become_a_purchase_before_it_is_one(self, tmp_path: Path) -> None:
        later = (clicked(601, "b"), clicked(700, "b", event="purchase"))
        data = read(tmp_path, [an_answer(600, "c", "b", "a")], *VISIT, an_event(3, "c"), *later)
        assert labels(data, 700, visiting=False) == []
        assert labels(data, 701, visiting=False) == [[0, 1, 0]]

    def test_an_answer_has_a_week_to_be_acted_on(self, tmp_path: Path) -> None:
        late = clicked(2 + 7 * DAY, "a", event="purchase")
        data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(3, "c"), late)
        assert len(data.shown) == 0
        data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(3, "c"), late, clicked(7 * DAY, "b"))
        assert labels(data) == [[0, 1, 0]]

    def test_a_device_whose_clock_is_slow_is_believed(self, tmp_path: Path) -> None:
        data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(3, "c"), clicked(1.9, "a"))
        assert labels(data) == [[0, 0, 1]]

    def test_an_answer_belongs_to_its_time(self, tmp_path: Path) -> None:
        data = read(tmp_path, [an_answer(2, "a", "b")], *VISIT, clicked(2.5, "b"))
        shown_at = NOON_SECONDS + 120
        for cut, until, n in ((shown_at, shown_at + 31, 1), (0, shown_at, 0), (shown_at + 1, shown_at + 99, 0)):
            assert len(lists_between(data.shown, data.interactions, cut, until, visiting=True)) == n

    def test_a_shop_without_exposures_has_none(self, tmp_path: Path) -> None:
        assert len(read_dataset(write_events(tmp_path, *VISIT)).shown) == 0


def test_what_is_asked_in_the_hold_out_teaches_nobody_before(tmp_path: Path) -> None:
    """Every answer before the hold-out was clicked at once, and its last item bought in the hold-out."""
    events, answers = [], []
    for number in range(60):
        customer, name = {"user_id": f"c{number}"}, f"r{number}"
        start = 60 * number
        events += [
            an_event(start, "abcd"[number % 4], **customer),
            an_event(start + 1, "abcd"[-number % 4], **customer),
        ]
        answers.append(an_answer(start + 2, *"abcd", name=name, customer_key=f"u:c{number}"))
        events.append(clicked(start + 3, "b", name) | customer)
        events.append(clicked(start + 3 * DAY, "d", name, "purchase") | customer)
    data = read(tmp_path, answers, *events)
    earlier, questions = split(data.interactions, share=0.5, most=2000, seed=1)
    assert data.interactions.item_ids[questions[-1].item] == "d"
    subject = Subject.of(blend.VISIT, {"popular": 1.0})
    found = lessons(
        earlier, [subject], lambda past, names: {name: Popular.fit(past) for name in names},
        dict.fromkeys((blend.VISIT, blend.ORDER), RankerSettings()), 0, 1, data.shown,
    )  # fmt: skip
    rows = Rows.joined(found[subject])
    assert len(rows.group) > 5
    assert rows.label.reshape(-1, 4).tolist() == [[0, 1, 0, 0]] * len(rows.group)


def test_rows_tell_what_sources_say_of_each_shown_item(tmp_path: Path) -> None:
    data = read(tmp_path, [an_answer(2, "c", "b", "a")], *VISIT, an_event(-9, "a"), an_event(3, "c"), clicked(2.5, "a"))
    lists = lists_between(data.shown, data.interactions, 0, NOON_SECONDS + 999, visiting=True)
    models: Mapping[str, CandidateModel] = {"popular": Popular.fit(data.interactions)}
    weights = {"popular": 1.0, "silent": 1.0}
    rows = shown_rows(
        lists,
        {**models, "silent": _Silent()},
        weights,
        Signals.fit(in_visits(data.interactions)),
        RankerSettings(),
    )
    names = feature_names(tuple(weights))
    assert rows.group.tolist() == [3]
    assert rows.place.tolist() == [1, 2, 3]
    assert rows.features[:, names.index("popular.nearness")].argmax() == 2
    assert not rows.features[:, names.index("silent.score")].any()


class _Silent(Popular):
    def __init__(self) -> None:
        pass

    def propose(self, history: Any, n: int) -> Any:
        from training.candidates.candidate import NONE

        return NONE


def test_what_stands_first_out_of_habit_is_not_taken_for_the_better() -> None:
    """The better item stands second four times of five, where only three of ten look."""
    rng = np.random.default_rng(0)
    n = 4000
    better_first = rng.random(n) < 0.2
    looked = np.array([1.0, 0.3])
    features, labels, places = [], [], []
    for first in better_first:
        worth = np.array([0.6, 0.4] if first else [0.4, 0.6])
        label = (rng.random(2) < worth * looked).astype(np.int8)
        features.append([[float(first)], [float(not first)]])
        labels.append(label)
        places.append([1, 2])
    rows = np.array(features, np.float32).reshape(-1, 1)
    label, group = np.concatenate(labels), np.full(n, 2, np.int32)
    better = np.array([[1.0], [0.0]], np.float32)
    told = Trees.fit(rows, label, group, 60, 1, 1, np.array(places, np.int32).ravel()).score(better)
    untold = Trees.fit(rows, label, group, 60, 1, 1).score(better)
    assert told[0] > told[1]
    assert untold[0] < untold[1]
