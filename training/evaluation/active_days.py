"""The days on which customers came and ordered, from the lake's events: what measures of retention are counted from.

A day is one in UTC. Days on which several visits fall count once: who looks again after lunch did not come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb

from feature_repo.errors import BadInput

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)

_SOURCE: Final = "read_parquet($files, hive_partitioning = true, union_by_name = true)"

# An event without an account belongs to the account that its device logs in to next, as for models and features. A
# refund is the shop's doing, not a visit.
_DAYS: Final = f"""
CREATE OR REPLACE TEMP TABLE days_by_name AS
WITH seen AS (
    SELECT epoch_us(event_time) AS time_us, event_name, user_id, anonymous_id, market, transaction_id
    FROM {_SOURCE}
    WHERE epoch_us(event_time) < $until AND event_name <> 'refund' AND coalesce(consent.analytics, true)
), logins AS (
    SELECT anonymous_id, user_id AS account, max(time_us) AS last_login
    FROM seen WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL GROUP BY ALL
)
SELECT
    CASE WHEN user_id IS NOT NULL THEN 'u:' || user_id
         WHEN account IS NOT NULL THEN 'u:' || account
         ELSE 'a:' || seen.anonymous_id END AS name,
    (time_us // 86_400_000_000)::INTEGER AS day,
    count(*) AS events,
    count(DISTINCT transaction_id) FILTER (event_name = 'purchase')::INTEGER AS orders,
    arg_min(market, time_us) AS market
FROM seen ASOF LEFT JOIN logins
    ON seen.anonymous_id = logins.anonymous_id AND seen.time_us <= logins.last_login
GROUP BY ALL
"""  # noqa: S608  # made of constants

_CUSTOMERS: Final = """
CREATE OR REPLACE TEMP TABLE customers AS
SELECT
    name, (row_number() OVER (ORDER BY name) - 1)::INTEGER AS customer,
    arg_min(market, day) AS market, starts_with(name, 'u:') AS account
FROM days_by_name GROUP BY name HAVING max(events) <= $most
"""

_ACTIVE_DAYS: Final = """
CREATE OR REPLACE TEMP TABLE active_days AS SELECT customer, day, orders FROM days_by_name JOIN customers USING (name)
"""

_BOTS: Final = "SELECT count(DISTINCT name) FROM days_by_name WHERE name NOT IN (SELECT name FROM customers)"
_NEWEST: Final = f"SELECT max(epoch_us(event_time)), count(*) FROM {_SOURCE}"  # noqa: S608  # made of constants


@dataclass(frozen=True, slots=True)
class Observation:
    """Until when was looked, and who was left out.

    ``end``: the midnight (UTC) before which every day is whole; ``bots``: customers with more events on a day than a
    person makes.
    """

    end: datetime
    bots: int


def read_active_days(
    database: duckdb.DuckDBPyConnection,
    event_files: Sequence[str],
    until: datetime | None = None,
    most_events_a_day: int = 1000,
) -> Observation:
    """Make the tables ``active_days`` (customer, day, orders) and ``customers`` (customer, market, account) of it.

    ``day`` counts from 1970; ``orders`` may be 0; ``market`` is where the customer came first, NULL where no event
    said it; ``account`` is False for a device that never logged in. The end is the midnight before the newest event,
    or that before ``until`` where it comes first: a day of which a part is missing would look as if fewer came.

    Raises BadInput when there are no events.
    """
    if not event_files:
        raise BadInput("the lake holds no events yet; send some, or run `shopfloor import` and `shopfloor materialize`")
    files = list(event_files)
    newest, count = _row(database, _NEWEST, {"files": files})
    if not count:
        raise BadInput("the lake's files hold no events; send some, or run `shopfloor import`")
    end = BEGINNING + timedelta(microseconds=newest)
    end = midnight(end if until is None else min(until, end))
    database.execute(_DAYS, {"files": files, "until": (end - BEGINNING) // timedelta(microseconds=1)})
    database.execute(_CUSTOMERS, {"most": most_events_a_day})
    database.execute(_ACTIVE_DAYS)
    (bots,) = _row(database, _BOTS, {})
    database.execute("DROP TABLE days_by_name")
    return Observation(end, bots)


def midnight(time: datetime) -> datetime:
    """The beginning of its day in UTC."""
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def day_number(time: datetime) -> int:
    """Days from 1970 to the day of ``time`` in UTC."""
    return (time - BEGINNING) // DAY


def _row(database: duckdb.DuckDBPyConnection, question: str, values: dict[str, Any]) -> tuple[Any, ...]:
    """The one row of an aggregate."""
    return database.execute(question, values).fetchall()[0]
