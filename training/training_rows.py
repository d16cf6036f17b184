"""Which customer, item and moment a training set asks features for, and the label of each row.

What came with consent withheld is in no row and labels none. Bots are in it, for people to see and leave out: only
``shopfloor train`` knows what it lets pass.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import duckdb
import pandas as pd

from feature_repo.activity import KIND_OF_EVENT
from feature_repo.errors import BadInput
from training.shown_answers import ATTRIBUTED


class Rows(StrEnum):
    """Where the rows of a training set come from."""

    INTERACTIONS = "interactions"
    """One row for each item that a customer viewed, wished for, put into the cart or bought; ``action`` says which."""
    EXPOSURES = "exposures"
    """One row for each item that an answer showed; ``clicked`` and ``bought`` say what came of it within ATTRIBUTED."""


_INTERACTIONS: Final = """
    SELECT CASE WHEN user_id IS NOT NULL THEN 'u:' || user_id ELSE 'a:' || anonymous_id END AS customer_key,
           item.item_id, event_time AS event_timestamp, kinds[event_name] AS action, market
    FROM (SELECT *, unnest(items) AS item FROM read_parquet($events, union_by_name = true)),
         (SELECT map($names, $actions) AS kinds)
    WHERE list_contains($names, event_name) AND event_time >= $since AND event_time < $until
      AND coalesce(consent.personalisation, true)
    ORDER BY event_timestamp LIMIT $most"""

_EXPOSURES: Final = """
    WITH answers AS (
        SELECT * FROM read_parquet($exposures, union_by_name = true)
        WHERE shown_at >= $since AND shown_at < $until AND customer_key <> ''
    ), caused AS (
        SELECT recommendation_id, item.item_id, bool_or(event_name = 'purchase') AS bought,
               bool_or(event_name IN ('view_item', 'select_item')) AS clicked
        FROM (SELECT *, unnest(items) AS item FROM read_parquet($events, union_by_name = true)) AS done
        JOIN (SELECT recommendation_id, any_value(shown_at) AS shown_at FROM answers GROUP BY ALL) AS asked
            USING (recommendation_id)
        WHERE coalesce(consent.personalisation, true) AND event_time < shown_at + to_microseconds($attributed)
        GROUP BY ALL
    )
    SELECT customer_key, shown.item_id, shown_at AS event_timestamp, placement, market, answer.recommendation_id,
           shown.position, shown.score, shown.propensity,
           coalesce(clicked, false) AS clicked, coalesce(bought, false) AS bought
    FROM (SELECT *, unnest(items) AS shown FROM answers) AS answer
    LEFT JOIN caused ON caused.recommendation_id = answer.recommendation_id AND caused.item_id = shown.item_id
    ORDER BY event_timestamp LIMIT $most"""


def training_rows(
    rows: Rows, events: Sequence[str], exposures: Sequence[str], since: datetime, until: datetime, most: int
) -> pd.DataFrame:
    """At most ``most`` rows, oldest first, as the entity frame of a training set. BadInput when there are none.

    ``events`` and ``exposures``: the lake's files.
    """
    files = events if rows is Rows.INTERACTIONS else exposures
    if not files:
        raise BadInput(f"the lake holds no {rows} yet; send events, or ask for other --rows")
    values: dict[str, object] = {"events": list(events), "since": since, "until": until, "most": most}
    if rows is Rows.INTERACTIONS:
        values["names"] = list(KIND_OF_EVENT)
        values["actions"] = [kind.name.lower() for kind in KIND_OF_EVENT.values()]
    else:
        values["exposures"] = list(exposures)
        values["attributed"] = ATTRIBUTED // timedelta(microseconds=1)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        # A terminal would show it on standard output; in a notebook without widgets it is off and cannot be set.
        if connection.execute("SELECT current_setting('enable_progress_bar')").fetchone() == (True,):
            connection.execute("SET enable_progress_bar = false")
        frame: pd.DataFrame = connection.execute(
            _INTERACTIONS if rows is Rows.INTERACTIONS else _EXPOSURES, values
        ).df()
    if frame.empty:
        raise BadInput(f"no {rows} from {since:%Y-%m-%d} until {until:%Y-%m-%d}; choose another --since or --until")
    frame["event_timestamp"] = pd.to_datetime(frame["event_timestamp"], utc=True)
    return frame
