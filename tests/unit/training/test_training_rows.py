from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from feature_repo.errors import BadInput
from ingestion.contracts.exposure import ExposedItem, Exposure
from ingestion.contracts.parse import to_log
from ingestion.contracts.tables import EVENTS_SCHEMA, EXPOSURES_SCHEMA
from ingestion.sinks.lake import Lake, Source
from ingestion.sinks.rows import table_of
from tests.builders import NOW, event, record
from training.training_rows import Rows, training_rows

WITHHELD = {"personalisation": False}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """An answer that showed a tent and a stove; the tent was clicked, and bought on the next day.

    The stove was clicked without consent to be learnt from, and bought from the same answer after more than a week.
    """
    events = [
        event(60, event_id="e1", recommendation_id="r1", items=[{"item_id": "tent"}]),
        event(86400, event_id="e2", event_name="purchase", transaction_id="t", items=[{"item_id": "tent"}]),
        event(90000, event_id="e3", event_name="search", search_term="stove", items=[]),
        event(
            8 * 86400,
            event_id="e5",
            event_name="purchase",
            transaction_id="u",
            recommendation_id="r1",
            items=[{"item_id": "stove"}],
        ),
        event(70, event_id="e4", recommendation_id="r1", items=[{"item_id": "stove"}], consent=WITHHELD),
    ]
    shown = [
        ExposedItem(item_id=item, position=place, score=1.0, propensity=0.5, reason="popular")
        for place, item in enumerate(("tent", "stove"))
    ]
    answer = Exposure(recommendation_id="r1", shown_at=NOW, customer_key="u:anna", placement="home", items=tuple(shown))
    lake = Lake(str(tmp_path))
    origins = [record(offset) for offset in range(5)]
    rows = table_of([to_log(one) for one in events], origins, EVENTS_SCHEMA)
    lake.append("events", rows, Source("log", "events"), {0: 5})
    rows = table_of([to_log(answer)], origins[:1], EXPOSURES_SCHEMA)
    lake.append("exposures", rows, Source("log", "exposures"), {0: 1})
    return lake


def rows_of(lake: Lake, rows: Rows, **overrides: Any) -> pd.DataFrame:
    wanted = {"since": NOW, "until": NOW + timedelta(days=7), "most": 100} | overrides
    return training_rows(rows, lake.event_files(), lake.files("exposures"), **wanted)


class TestTrainingRows:
    def test_interactions_are_labelled_by_what_the_customer_did(self, lake: Lake) -> None:
        frame = rows_of(lake, Rows.INTERACTIONS)
        assert frame[["customer_key", "item_id", "action"]].to_numpy().tolist() == [
            ["u:anna", "tent", "view"],
            ["u:anna", "tent", "buy"],
        ]

    def test_exposures_are_labelled_by_what_came_of_them(self, lake: Lake) -> None:
        frame = rows_of(lake, Rows.EXPOSURES)
        assert dict(zip(frame["item_id"], frame["clicked"], strict=True)) == {"tent": True, "stove": False}
        assert not frame["bought"].any()  # the purchase did not name the answer
        assert (frame["propensity"] == 0.5).all()

    def test_what_came_of_an_answer_after_a_week_is_not_its_doing(self, lake: Lake) -> None:
        assert rows_of(lake, Rows.INTERACTIONS, until=NOW + timedelta(days=9))["item_id"].tolist()[-1] == "stove"
        assert not rows_of(lake, Rows.EXPOSURES)["bought"].any()

    def test_what_came_without_consent_is_in_no_row_and_labels_none(self, lake: Lake) -> None:
        assert "stove" not in set(rows_of(lake, Rows.INTERACTIONS)["item_id"])
        shown = rows_of(lake, Rows.EXPOSURES).set_index("item_id")
        assert not shown.loc["stove", "clicked"]

    def test_the_window_holds_its_start_and_not_its_end(self, lake: Lake) -> None:
        moment = NOW + timedelta(seconds=60)
        assert len(rows_of(lake, Rows.INTERACTIONS, since=moment, until=moment + timedelta(microseconds=1))) == 1
        with pytest.raises(BadInput, match="--since"):
            rows_of(lake, Rows.INTERACTIONS, until=moment)

    def test_a_lake_without_exposures_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="no exposures yet"):
            rows_of(Lake(str(tmp_path)), Rows.EXPOSURES)
