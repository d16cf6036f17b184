"""What followed a logged answer, as off-policy evaluation counts it."""

import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.contracts.tables import EXPOSURES_SCHEMA
from tests.unit.training.lake_files import an_event, write_events
from training.logged_answers import Reward, read_answers, shown_by
from training.shown_answers import ATTRIBUTED

SHOWN = ("tent", "stove", "lamp")
WITHHELD = {"consent": {"personalisation": False}}
WEEK = ATTRIBUTED.total_seconds() / 60


def an_answer(name: str = "r1", propensity: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    """SHOWN to Anna at minute 0."""
    items = [
        {"item_id": item, "position": place, "score": 1.0, "propensity": propensity, "reason": ""}
        for place, item in enumerate(SHOWN)
    ]
    return {
        "recommendation_id": name,
        "shown_at": an_event(0, "tent")["event_time"],
        "customer_key": "u:anna",
        "placement": "home",
        "degraded": [],
        "items": items,
    } | changes


def write_answers(path: Path, *answers: dict[str, Any], schema: pa.Schema = EXPOSURES_SCHEMA) -> str:
    pq.write_table(pa.Table.from_pylist(list(answers), schema=schema), path)
    return str(path)


def rewards(folder: Path, *events: dict[str, Any], reward: Reward = Reward.CLICK) -> list[float]:
    """Of SHOWN, an answer to Anna at minute 0 that ``events`` may name as r1."""
    exposures = write_answers(folder / "exposures.parquet", an_answer())
    (found,) = read_answers([exposures], write_events(folder, *events), "home", reward).answers
    assert tuple(item.item_id for item in found.items) == SHOWN
    return [item.reward for item in found.items]


def acted(minute: float, item: str | list[str], name: str = "select_item", **changes: Any) -> dict[str, Any]:
    return an_event(minute, item, name, recommendation_id="r1", **changes)


def test_several_events_about_one_item_are_one_reward(tmp_path: Path) -> None:
    events = (acted(1, "stove"), acted(2, "stove", "view_item"), acted(3, "stove", "purchase"))
    assert rewards(tmp_path, *events) == [0, 1, 0]
    assert rewards(tmp_path, *events, reward=Reward.PURCHASE) == [0, 1, 0]


@pytest.mark.parametrize("consent", [{}, {"consent": None}, {"consent": {"personalisation": True}}])
def test_what_came_without_consent_is_no_reward(tmp_path: Path, consent: dict[str, Any]) -> None:
    assert rewards(tmp_path, acted(1, "tent") | WITHHELD, acted(2, "stove") | consent) == [0, 1, 0]


@pytest.mark.parametrize(("reward", "name"), [(Reward.CLICK, "select_item"), (Reward.PURCHASE, "purchase")])
def test_an_answer_has_a_week_to_be_rewarded(tmp_path: Path, reward: Reward, name: str) -> None:
    events = acted(WEEK - 1, ["stove", "lamp"], name), acted(WEEK, "tent", name)
    assert rewards(tmp_path, *events, reward=reward) == [0, 1, 1]


def test_a_device_whose_clock_is_slow_is_believed(tmp_path: Path) -> None:
    assert rewards(tmp_path, acted(-1, "tent")) == [1, 0, 0]


def test_an_event_that_names_no_answer_is_no_reward(tmp_path: Path) -> None:
    assert rewards(tmp_path, acted(1, "tent") | {"recommendation_id": None}, acted(2, "lamp")) == [0, 0, 1]


class TestLeftOut:
    def test_what_was_asked_with_more_than_is_kept(self, tmp_path: Path) -> None:
        """A file of before the contract had the field lacks the column, and tells nothing of it."""
        older = EXPOSURES_SCHEMA.remove(EXPOSURES_SCHEMA.get_field_index("asked_with"))
        files = [
            write_answers(tmp_path / "older.parquet", an_answer("old"), schema=older),
            write_answers(
                tmp_path / "newer.parquet",
                an_answer("new", asked_with=[]),
                an_answer("filtered", asked_with=["category_ids"]),
                an_answer("filtered", asked_with=["category_ids"]),  # a repeat
            ),
        ]
        events = write_events(tmp_path, acted(1, "tent"))
        log = read_answers(files, events, "home", Reward.CLICK)
        assert {answer.recommendation_id for answer in log.answers} == {"old", "new"}
        assert (log.asked_with_more, log.impossible) == (1, 0)
        assert len(read_answers(files[:1], events, "home", Reward.CLICK).answers) == 1

    @pytest.mark.parametrize("propensity", [0.0, -0.1, 1.1, math.nan, math.inf, None])
    def test_propensities_that_are_none(self, tmp_path: Path, propensity: float | None) -> None:
        answers = an_answer("possible", 0.2), an_answer("impossible", propensity)
        exposures = write_answers(tmp_path / "exposures.parquet", *answers)
        log = read_answers([exposures], write_events(tmp_path, acted(1, "tent")), "home", Reward.CLICK)
        assert [answer.recommendation_id for answer in log.answers] == ["possible"]
        assert (log.asked_with_more, log.impossible) == (0, 1)


def test_what_was_shown_in_the_last_second_of_a_training_counts_as_before_its_end(tmp_path: Path) -> None:
    moment = an_event(0, "tent")["event_time"]
    answers = [an_answer(str(ms), shown_at=moment + timedelta(milliseconds=ms)) for ms in (-1, 0, 999, 1000)]
    exposures = write_answers(tmp_path / "exposures.parquet", *answers)
    log = read_answers([exposures], write_events(tmp_path, acted(1, "tent")), "home", Reward.CLICK)
    assert shown_by(log.answers, moment) == 3
