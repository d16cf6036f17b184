"""Answers that customers saw and acted on: what a ranker learns from beside replayed time.

Replayed time knows what customers went to, whatever they were shown; these lists know what they passed over. A place
near the top is looked at more, so the trees are told the place of each item and learn how much that alone brings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple, Self

import duckdb
import numpy as np

from training.interactions import Codes, History, Interactions, Ints, Longs
from training.past import Past

PLACEMENTS: Final = ("home", "search-empty", "email")
"""Their answers stand for a customer's history alone, which is what the rankers are asked with."""
ASKED_ABOUT: Final = ("item_ids", "category_ids")
"""Answers to questions about these stand for them too, and exposures do not keep them. What was viewed lately or may
not be shown changes less: the views are events as well, and what may not be shown is taken out of the ranked list."""
MOST: Final = 20_000
"""Answers that are read, a sample that stays the same."""
ATTRIBUTED: Final = timedelta(days=7)
"""What an event names an answer for counts this long after the answer; later there are other reasons for it."""
NEVER: Final = np.iinfo(np.int64).max

# As with events, what a device was shown belongs to the account that it logs in to next. A device whose clock is slow
# tells of a click before the answer: the answer that it names is proof enough that it came after it. A lake whose
# every file was written before the contract had ``asked_with`` lacks the column.
_ANSWERS: Final = """
WITH shown AS (
    SELECT recommendation_id, any_value(customer_key) AS customer, any_value(epoch_us(shown_at)) AS time_us,
           any_value(market) AS market, any_value(items) AS items
    FROM (
        FROM read_parquet($exposures, hive_partitioning = true, union_by_name = true)
        UNION ALL BY NAME SELECT NULL::VARCHAR[] AS asked_with WHERE false
    )
    WHERE list_contains($placements, placement) AND len(items) > 1 AND epoch_us(shown_at) < $until
      AND NOT list_has_any(coalesce(asked_with, []), $asked_about)
    GROUP BY recommendation_id
), answers AS (
    SELECT shown.* REPLACE (coalesce('u:' || account, customer) AS customer)
    FROM shown ASOF LEFT JOIN logins
        ON shown.customer = 'a:' || logins.anonymous_id AND shown.time_us <= logins.last_login
), touched AS (
    SELECT recommendation_id, unnest(items).item_id AS item_id, event_name, epoch_us(event_time) AS acted_us
    FROM read_parquet($events, hive_partitioning = true, union_by_name = true)
    WHERE recommendation_id IS NOT NULL AND event_name IN ('select_item', 'view_item', 'add_to_cart', 'purchase')
      AND epoch_us(event_time) < $until AND coalesce(consent.personalisation, true)
), acted AS (
    SELECT recommendation_id, item_id, min(acted_us) // 1_000_000 AS touched,
           min(acted_us) FILTER (event_name = 'purchase') // 1_000_000 AS bought
    FROM touched JOIN answers USING (recommendation_id) WHERE acted_us < time_us + $attributed GROUP BY ALL
), chosen AS (
    SELECT answers.* FROM answers SEMI JOIN acted USING (recommendation_id) SEMI JOIN customers USING (customer)
    ORDER BY hash(recommendation_id), recommendation_id LIMIT $most
), slots AS (
    SELECT recommendation_id, customer, time_us, market, unnest(items) AS slot FROM chosen
)
SELECT dense_rank() OVER (ORDER BY time_us, slots.recommendation_id) - 1 AS answer,
       user_code, time_us // 1_000_000 AS time, coalesce(market_code, -1) AS market, coalesce(item_code, -1) AS item,
       coalesce(touched, $never) AS touched, coalesce(bought, $never) AS bought
FROM slots
JOIN customers USING (customer)
LEFT JOIN markets USING (market)
LEFT JOIN vocabulary ON vocabulary.item_id = slot.item_id
LEFT JOIN acted ON acted.recommendation_id = slots.recommendation_id AND acted.item_id = slot.item_id
ORDER BY answer, slot.position
"""


@dataclass(frozen=True, slots=True)
class ShownAnswers:
    """n answers with m items in all, oldest first, the items of each in the order of their places.

    ``user`` int32 [n]; ``time`` int64 [n], seconds since 1970 UTC; ``market`` int32 [n], -1 where the question named
    none or one that is not known; the items of answer i are ``item[start[i]:start[i + 1]]``, int32, -1 where the
    vocabulary lacks them. ``start`` int64 [n + 1]. ``touched`` int64 [m] is when the customer first did anything with
    each item, buying included, and ``bought`` int64 [m] when they first bought it, in seconds since 1970 UTC, NEVER
    where they did not.
    """

    user: Ints
    time: Longs
    market: Ints
    start: Longs
    item: Ints
    touched: Longs
    bought: Longs

    @classmethod
    def none(cls) -> Self:
        nothing, never = np.empty(0, np.int32), np.empty(0, np.int64)
        return cls(nothing, never, nothing, np.zeros(1, np.int64), nothing, never, never)

    def __len__(self) -> int:
        return len(self.user)


class ShownList(NamedTuple):
    """``item`` int32 [m] in the order of places, from the first; ``label`` int8 [m], 1 for what was right."""

    history: History
    item: Ints
    place: Ints
    label: Codes


def read_shown(
    connection: duckdb.DuckDBPyConnection, exposures: Sequence[str], events: Sequence[str], until_us: int
) -> ShownAnswers:
    """Answers that somebody acted on, both before ``until_us`` (microseconds since 1970), from the lake's files.

    An action is an event that names the answer and the item, within ATTRIBUTED of the answer; one whose consent
    withholds personalisation is none. ``training/logged_answers.py`` counts its rewards in the same way.
    ``connection`` holds the tables ``customers``, ``logins``, ``markets`` and ``vocabulary`` of
    ``training/dataset.py``.
    """
    if not exposures:
        return ShownAnswers.none()
    values = {
        "exposures": list(exposures),
        "events": list(events),
        "placements": list(PLACEMENTS),
        "asked_about": list(ASKED_ABOUT),
        "until": until_us,
        "attributed": ATTRIBUTED // timedelta(microseconds=1),
        "never": NEVER,
        "most": MOST,
    }
    columns = connection.execute(_ANSWERS, values).fetchnumpy()
    answer = np.ma.getdata(columns["answer"])
    opens = np.flatnonzero(np.diff(answer, prepend=-1))
    return ShownAnswers(
        user=np.ma.getdata(columns["user_code"])[opens].astype(np.int32),
        time=np.ma.getdata(columns["time"])[opens].astype(np.int64),
        market=np.ma.getdata(columns["market"])[opens].astype(np.int32),
        start=np.append(opens, len(answer)).astype(np.int64),
        item=np.ma.getdata(columns["item"]).astype(np.int32),
        touched=np.ma.getdata(columns["touched"]).astype(np.int64),
        bought=np.ma.getdata(columns["bought"]).astype(np.int64),
    )


def lists_between(
    shown: ShownAnswers, interactions: Interactions, cut: int, until: int, visiting: bool
) -> list[ShownList]:
    """The answers shown from ``cut`` to before ``until``, with what was known of the customer at that moment.

    With ``visiting`` those within a visit, where anything that was clicked is right; else those before the first click
    of one, where only a purchase is. Only what was done before ``until`` counts, for what came later is not to be known
    yet; an answer shown shortly before is judged by less. Answers without both a right and a wrong item are left out.
    """
    acted = shown.touched if visiting else shown.bought
    within = np.flatnonzero((shown.time >= cut) & (shown.time < until)).tolist()
    if not within:
        return []
    past = Past.of(interactions)
    lists = []
    for number in within:
        history = past.at(int(shown.user[number]), int(shown.time[number]), int(shown.market[number]))
        if bool(history.in_session.any()) is not visiting:
            continue
        slots = slice(shown.start[number], shown.start[number + 1])
        known = shown.item[slots] >= 0
        label = (acted[slots][known] < until).astype(np.int8)
        if label.any() and not label.all():
            lists.append(ShownList(history, shown.item[slots][known], np.flatnonzero(known).astype(np.int32), label))
    return lists
