"""The data set of a training: interactions from the lake's events, as numbers.

What counts as an interaction, and to whom a device's events belong, is what ``feature_repo/activity.py`` says for
online features, so that a model is fitted on the histories it will be asked with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from feature_repo.activity import KIND_OF_EVENT
from feature_repo.errors import BadInput
from training.assortment import NO_CATALOGUE, CatalogueFiles, described, read_assortment
from training.interactions import Interactions
from training.shown_answers import ShownAnswers, read_shown

SESSION_GAP: Final = timedelta(minutes=30)
"""Without a session_id, a pause this long starts a new session."""
STEADY: Final = 50
"""A machine may spread its events evenly: this many of the busiest days that are let pass are too many in a window."""
MICROSECOND: Final = timedelta(microseconds=1)
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END: Final = datetime(9999, 1, 1, tzinfo=UTC)

_KINDS: Final = ", ".join(f"('{event}', {int(kind)})" for event, kind in KIND_OF_EVENT.items())

_LOGINS: Final = """
CREATE TEMP TABLE logins AS
SELECT anonymous_id, user_id AS account, max(epoch_us(event_time)) AS last_login
FROM read_parquet($files, hive_partitioning = true, union_by_name = true)
WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
  AND epoch_us(event_time) >= $since AND epoch_us(event_time) < $until
GROUP BY ALL
"""

# An event without an account belongs to the account that its device logs in to next, as in activity.with_devices.
# Consent withheld keeps an event out of models as it keeps it out of features.
_EVENTS: Final = f"""
CREATE TEMP TABLE touches AS
WITH seen AS (
    SELECT event_id, epoch_us(event_time) AS time_us, user_id, anonymous_id, session_id, market, items, kind
    FROM read_parquet($files, hive_partitioning = true, union_by_name = true)
    JOIN (VALUES {_KINDS}) AS kinds (event_name, kind) USING (event_name)
    WHERE epoch_us(event_time) >= $since AND epoch_us(event_time) < $until AND coalesce(consent.personalisation, true)
)
SELECT
    event_id, time_us, session_id, market, items, kind,
    CASE WHEN user_id IS NOT NULL THEN 'u:' || user_id
         WHEN account IS NOT NULL THEN 'u:' || account
         ELSE 'a:' || seen.anonymous_id END AS customer
FROM seen ASOF LEFT JOIN logins
    ON seen.anonymous_id = logins.anonymous_id AND seen.time_us <= logins.last_login
"""  # noqa: S608  # made of constants

_BOTS: Final = f"""
CREATE TEMP TABLE bots AS
SELECT customer, sum(events)::BIGINT AS events, max(events)::BIGINT AS busiest_day
FROM (
    SELECT customer, time_us // 86_400_000_000 AS day, count(*) AS events FROM touches GROUP BY ALL
)
GROUP BY customer HAVING max(events) > $most OR sum(events) > $most * {STEADY}
"""  # noqa: S608  # made of constants

_SESSIONS: Final = f"""
CREATE TEMP TABLE visits AS
SELECT
    * EXCLUDE (session_id, starts),
    coalesce('s' || session_id, 'g' || sum(starts) OVER (
        PARTITION BY customer, session_id IS NULL ORDER BY time_us, event_id ROWS UNBOUNDED PRECEDING
    )) AS session
FROM (
    SELECT *, coalesce(time_us - lag(time_us) OVER (
        PARTITION BY customer, session_id IS NULL ORDER BY time_us, event_id
    ) > {SESSION_GAP // MICROSECOND}, true)::INT AS starts
    FROM touches WHERE customer NOT IN (SELECT customer FROM bots)
)
"""  # noqa: S608  # made of constants

# Items in no order that says anything: models order equal scores by item number, and an id often tells an item's age.
_VOCABULARIES: Final = """
CREATE TEMP TABLE customers AS
SELECT customer, (row_number() OVER (ORDER BY customer) - 1)::INT AS user_code FROM visits GROUP BY customer;
CREATE TEMP TABLE sessions AS
SELECT customer, session, (row_number() OVER (ORDER BY min(time_us), customer, session) - 1)::INT AS session_code
FROM visits GROUP BY customer, session;
CREATE TEMP TABLE lines AS
SELECT event_id, time_us, kind, customer, session, market,
       unnest(items).item_id AS item_id, generate_subscripts(items, 1) AS place
FROM visits;
CREATE TEMP TABLE vocabulary AS
SELECT item_id, (row_number() OVER (ORDER BY hash(item_id), item_id) - 1)::INT AS item_code
FROM (SELECT item_id FROM lines UNION SELECT item_id FROM assortment WHERE offered);
CREATE TEMP TABLE markets AS
SELECT market, (row_number() OVER (ORDER BY market) - 1)::INT AS market_code
FROM lines WHERE market IS NOT NULL GROUP BY market;
"""

_COLUMNS: Final = """
SELECT user_code, session_code, item_code, kind::TINYINT AS kind, time_us // 1_000_000 AS time,
       coalesce(market_code, -1)::INT AS market_code
FROM lines
JOIN customers USING (customer)
JOIN sessions USING (customer, session)
JOIN vocabulary USING (item_id)
LEFT JOIN markets USING (market)
ORDER BY session_code, time_us, event_id, place
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A customer with more events, in a day or in all, than a person makes."""

    customer: str
    """``u:<user_id>`` or ``a:<anonymous_id>``."""
    events: int
    busiest_day: int
    """Events on the busiest day, in UTC."""

    def __str__(self) -> str:
        return f"{self.customer}: {self.events:,} events, {self.busiest_day:,} of them in one day"


@dataclass(frozen=True, slots=True)
class Dataset:
    interactions: Interactions
    shown: ShownAnswers
    left_out: tuple[LeftOut, ...]
    first_event: datetime
    last_event: datetime


def read_dataset(
    event_files: Sequence[str],
    *,
    catalogue: CatalogueFiles = NO_CATALOGUE,
    exposures: Sequence[str] = (),
    since: datetime = BEGINNING,
    until: datetime = END,
    window_days: float | None = None,
    most_events_a_day: int = 1000,
    memory_limit: str = "1GB",
) -> Dataset:
    """Interactions of [since, until), and of those only the last ``window_days`` before the newest one.

    Products of the catalogue that nobody touched are in the vocabulary too, if they are offered and were published
    before ``until``; what describes products is of today. ``exposures`` are the lake's files of that table. Raises
    BadInput, saying what there is and what to do, when nothing is left to learn from.
    """
    if not event_files:
        raise BadInput(
            "the lake holds no events yet; send some, or run `shopfloor import`, and let the worker catch up"
        )
    with duckdb.connect(config={"memory_limit": memory_limit, "threads": 2}) as connection:
        run = connection.execute
        if window_days is not None:
            since = max(since, _newest(connection, event_files, until) - timedelta(days=window_days))
        window = {"files": list(event_files), "since": _us(since), "until": _us(until)}
        run(_LOGINS, window)
        run(_EVENTS, window)
        run(_BOTS, {"most": most_events_a_day})
        run(_SESSIONS)
        run("DROP TABLE touches")
        read_assortment(connection, catalogue, _us(until))
        run(_VOCABULARIES)
        run("DROP TABLE visits")
        left_out = tuple(LeftOut(*row) for row in run("SELECT * FROM bots ORDER BY events DESC, customer").fetchall())
        if not _value(connection, "SELECT count(*) FROM lines"):
            raise _nothing_to_learn(connection, event_files, since, until, left_out)
        return _dataset(connection, left_out, read_shown(connection, exposures, event_files, _us(until)))


def _dataset(connection: duckdb.DuckDBPyConnection, left_out: tuple[LeftOut, ...], shown: ShownAnswers) -> Dataset:
    columns = connection.execute(_COLUMNS).fetchnumpy()
    item_ids = [row[0] for row in connection.execute("SELECT item_id FROM vocabulary ORDER BY item_code").fetchall()]
    markets = connection.execute("SELECT market FROM markets ORDER BY market_code").fetchall()
    time = _plain(columns["time"], np.int64)
    taxonomy, content = described(connection)
    return Dataset(
        interactions=Interactions(
            user=_plain(columns["user_code"], np.int32),
            session=_plain(columns["session_code"], np.int32),
            item=_plain(columns["item_code"], np.int32),
            kind=_plain(columns["kind"], np.int8),
            time=time,
            market=_plain(columns["market_code"], np.int32),
            item_ids=np.array(item_ids, dtype=np.str_),
            markets=tuple(row[0] for row in markets),
            n_users=_value(connection, "SELECT count(*) FROM customers"),
            n_sessions=_value(connection, "SELECT count(*) FROM sessions"),
            taxonomy=taxonomy,
            content=content,
        ),
        shown=shown,
        left_out=left_out,
        first_event=datetime.fromtimestamp(int(time.min()), UTC),
        last_event=datetime.fromtimestamp(int(time.max()), UTC),
    )


def _us(time: datetime) -> int:
    """Microseconds since 1970: DuckDB's arithmetic on times with a zone needs an extension that is no part of it."""
    return (time - BEGINNING) // MICROSECOND


def _shown(time_us: int) -> str:
    return f"{BEGINNING + time_us * MICROSECOND:%Y-%m-%d %H:%M}"


def _plain(column: Any, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.ma.getdata(column), dtype=dtype)


def _value(connection: duckdb.DuckDBPyConnection, question: str, values: dict[str, Any] | None = None) -> Any:
    row = connection.execute(question, values or {}).fetchone()
    return None if row is None else row[0]


_ALL: Final = (
    "FROM read_parquet($files, hive_partitioning = true, union_by_name = true) WHERE epoch_us(event_time) < $until"
)


def _newest(connection: duckdb.DuckDBPyConnection, event_files: Sequence[str], until: datetime) -> datetime:
    newest = _value(
        connection,
        f"SELECT epoch_us(max(event_time)) {_ALL} AND event_name IN {tuple(KIND_OF_EVENT)}",
        {"files": list(event_files), "until": _us(until)},
    )
    return BEGINNING if newest is None else BEGINNING + newest * MICROSECOND


def _nothing_to_learn(
    connection: duckdb.DuckDBPyConnection,
    event_files: Sequence[str],
    since: datetime,
    until: datetime,
    left_out: tuple[LeftOut, ...],
) -> BadInput:
    if left_out:
        reason = f"every customer in the window looks like a bot ({left_out[0]}); raise training.most_events_a_day"
        return BadInput(f"there is nothing to learn from: {reason}")
    everything = {"files": list(event_files), "until": _us(END)}
    spans = connection.execute(
        f"SELECT count(*), min(epoch_us(event_time)), max(epoch_us(event_time)) {_ALL}", everything
    )
    count, first, last = spans.fetchone() or (0, None, None)
    between = f"lie between {_shown(first)} and {_shown(last)}" if count else "are none"
    window = f"from {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    return BadInput(
        f"no views, carts or purchases {window}: the lake's {count:,} events {between}; "
        "widen --since, --until or training.window_days, or import events of that time",
        events=count,
    )
