"""What followed a logged answer, as off-policy evaluation counts it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.contracts.tables import EXPOSURES_SCHEMA
from tests.unit.training.lake_files import an_event, write_events
from training.logged_answers import Reward, read_answers
from training.shown_answers import ATTRIBUTED

SHOWN = ("tent", "stove", "lamp")
WITHHELD = {"consent": {"personalisation": False}}
WEEK = ATTRIBUTED.total_seconds() / 60


def rewards(folder: Path, *events: dict[str, Any], reward: Reward = Reward.CLICK) -> list[float]:
    """Of SHOWN, an answer to Anna at minute 0 that ``events`` may name as r1."""
    items = [
        {"item_id": item, "position": place, "score": 1.0, "propensity": 1.0, "reason": ""}
        for place, item in enumerate(SHOWN)
    ]
    answer = {
        "recommendation_id": "r1",
        "shown_at": an_event(0, "tent")["event_time"],
        "customer_key": "u:anna",
        "placement": "home",
        "degraded": [],
        "items": items,
    }
    exposures = folder / "exposures.parquet"
    pq.write_table(pa.Table.from_pylist([answer], schema=EXPOSURES_SCHEMA), exposures)
    (found,) = read_answers([str(exposures)], write_events(folder, *events), "home", reward)
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
