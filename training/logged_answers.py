"""What the lake holds of answers that were shown: who asked, what stood where with which probability, what followed.

What follows an answer is counted as ``training/shown_answers.py`` counts it for the rankers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

import duckdb

from feature_repo.activity import KIND_OF_EVENT, Interaction, Kind
from training.dataset import BEGINNING, MICROSECOND
from training.shown_answers import ATTRIBUTED


class Reward(StrEnum):
    """What counts as one: an event that names the answer and the item, within ATTRIBUTED of the answer.

    One whose consent withholds personalisation is none.
    """

    CLICK = "click"
    PURCHASE = "purchase"


EVENTS_OF: Final = {Reward.CLICK: ("select_item", "view_item"), Reward.PURCHASE: ("purchase",)}


class LoggedItem(NamedTuple):
    item_id: str
    propensity: float
    reward: float


class LoggedAnswer(NamedTuple):
    recommendation_id: str
    shown_us: int
    """Microseconds since 1970 UTC."""
    customer_key: str
    """Empty for a question without a customer."""
    market: str | None
    items: tuple[LoggedItem, ...]
    """In the order of their positions."""


class Log(NamedTuple):
    """Answers of a placement, and how many more there were that cannot be judged."""

    answers: list[LoggedAnswer]
    """Oldest first."""
    asked_with_more: int
    """Asked with items or filters, which exposures do not keep: no version can be asked the same."""
    impossible: int
    """With a propensity that is no probability above 0."""


class Known(NamedTuple):
    """An interaction, and from when on the shop knew of it and whose it was.

    That is when the event arrived; a device's events join an account when its login arrives.
    """

    known_us: int
    interaction: Interaction


_FILES: Final = "read_parquet({}, hive_partitioning = true, union_by_name = true)"

# A lake whose every file was written before the contract had ``asked_with`` lacks the column.
_SHOWN: Final = f"""
SELECT *, coalesce(len(asked_with), 0) > 0 AS asked_with_more,
       len(list_filter(items, lambda slot: slot.propensity > 0 AND slot.propensity <= 1)) < len(items) AS impossible
FROM (FROM {_FILES.format("$exposures")} UNION ALL BY NAME SELECT NULL::VARCHAR[] AS asked_with WHERE false)
WHERE placement = $placement AND len(items) > 0 AND epoch_us(shown_at) >= $since
"""  # noqa: S608  # made of constants

_LEFT_OUT: Final = f"""
SELECT count(DISTINCT recommendation_id) FILTER (asked_with_more),
       count(DISTINCT recommendation_id) FILTER (impossible AND NOT asked_with_more)
FROM ({_SHOWN})
"""  # noqa: S608  # made of constants

_ANSWERS: Final = f"""
WITH shown AS (
    SELECT recommendation_id, any_value(epoch_us(shown_at)) AS shown_us, any_value(customer_key) AS customer_key,
           any_value(market) AS market, any_value(items) AS items
    FROM ({_SHOWN}) WHERE NOT asked_with_more AND NOT impossible
    GROUP BY recommendation_id
    ORDER BY hash(recommendation_id), recommendation_id LIMIT $most
), slots AS (
    SELECT * EXCLUDE (items), unnest(items) AS slot FROM shown
), rewarded AS (
    SELECT DISTINCT recommendation_id, unnest(events.items).item_id AS item_id
    FROM {_FILES.format("$events")} AS events JOIN shown USING (recommendation_id)
    WHERE list_contains($names, event_name) AND epoch_us(event_time) < shown_us + $attributed
      AND coalesce(consent.personalisation, true)
)
SELECT slots.recommendation_id, shown_us, customer_key, market,
       list(struct_pack(item_id := slot.item_id, propensity := slot.propensity,
                        reward := (rewarded.item_id IS NOT NULL)::DOUBLE) ORDER BY slot.position)
FROM slots LEFT JOIN rewarded ON slots.recommendation_id = rewarded.recommendation_id
    AND slot.item_id = rewarded.item_id
GROUP BY ALL ORDER BY shown_us, slots.recommendation_id
"""  # noqa: S608  # made of constants

# As in dataset.py and activity.with_devices: consent withheld keeps an event out, a login brings the device's past in.
# Serving knew of an event, and of a login, only once it had arrived: late uploads and imports tell nothing before.
_HISTORIES: Final = f"""
WITH kinds (event_name, kind) AS (VALUES {", ".join(f"('{e}', {int(kind)})" for e, kind in KIND_OF_EVENT.items())}),
allowed AS (
    SELECT epoch_us(event_time) AS time_us, epoch_us(greatest(event_time, received_at)) AS known_us,
           event_name, event_id, user_id, anonymous_id, items
    FROM {_FILES.format("$events")} WHERE coalesce(consent.personalisation, true)
), acted AS (
    SELECT time_us, known_us, event_id, user_id, anonymous_id, kind,
           unnest(items).item_id AS item_id, generate_subscripts(items, 1) - 1 AS position
    FROM allowed JOIN kinds USING (event_name)
), logins AS (
    SELECT anonymous_id, user_id AS account, time_us AS login_us, known_us
    FROM allowed WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
), owned AS (
    SELECT 'u:' || user_id AS customer, * EXCLUDE (user_id, anonymous_id) FROM acted WHERE user_id IS NOT NULL
    UNION ALL
    SELECT 'a:' || anonymous_id, * EXCLUDE (user_id, anonymous_id) FROM acted WHERE user_id IS NULL
    UNION ALL
    SELECT 'u:' || account, acted.* EXCLUDE (user_id, anonymous_id)
           REPLACE (greatest(logins.known_us, acted.known_us) AS known_us)
    FROM acted ASOF JOIN logins ON acted.anonymous_id = logins.anonymous_id AND acted.time_us <= logins.login_us
    WHERE acted.user_id IS NULL
)
SELECT customer, min(known_us), time_us, event_id, position, item_id, kind
FROM owned WHERE list_contains($customers, customer)
GROUP BY ALL ORDER BY customer, time_us, event_id, position
"""  # noqa: S608  # made of constants


def read_answers(
    exposure_files: Sequence[str],
    event_files: Sequence[str],
    placement: str,
    reward: Reward,
    since: datetime = BEGINNING,
    most: int = 20_000,
) -> Log:
    """What was shown at a placement since a time; of more than ``most`` answers a sample that stays the same."""
    if not exposure_files:
        return Log([], 0, 0)
    chosen = {
        "exposures": list(exposure_files),
        "placement": placement,
        "since": (since - BEGINNING) // MICROSECOND,
    }
    rewarded = {
        "events": list(event_files),
        "names": list(EVENTS_OF[reward]),
        "attributed": ATTRIBUTED // MICROSECOND,
        "most": most,
    }
    with duckdb.connect(config={"threads": 2}) as connection:
        asked_with_more, impossible = connection.execute(_LEFT_OUT, chosen).fetchall()[0]
        rows = connection.execute(_ANSWERS, chosen | rewarded).fetchall()
    answers = [
        LoggedAnswer(name, shown_us, customer, market, tuple(LoggedItem(**item) for item in items))
        for name, shown_us, customer, market, items in rows
    ]
    return Log(answers, asked_with_more, impossible)


def shown_by(answers: Sequence[LoggedAnswer], moment: datetime) -> int:
    """How many of the answers were shown up to ``moment``, its second included: data windows are told in seconds."""
    end_us = (moment.replace(microsecond=0) + timedelta(seconds=1) - BEGINNING) // MICROSECOND
    return sum(answer.shown_us < end_us for answer in answers)


def read_histories(event_files: Sequence[str], customers: Sequence[str]) -> dict[str, list[Known]]:
    """All interactions of each customer, oldest first."""
    with duckdb.connect(config={"threads": 2}) as connection:
        values = {"events": list(event_files), "customers": list(customers)}
        rows = connection.execute(_HISTORIES, values).fetchall()
    histories: dict[str, list[Known]] = {}
    for customer, known_us, time_us, event_id, position, item_id, kind in rows:
        interaction = Interaction(time_us, event_id, position, item_id, Kind(kind))
        histories.setdefault(customer, []).append(Known(known_us, interaction))
    return histories
