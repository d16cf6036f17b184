"""Ten real visitors of RetailRocket: what they looked at, what we recommend over REST, and where they went then.

    python -m benchmarks.ten_visitors --out docs/ten-visitors.md

The events of 2,174 visitors, in the raw form of the data set, go up to one moment through the commands a data engineer
would use; what came after is known to this script alone. Visitors are drawn by seed, not chosen.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.real_shop import DATA, Ask, served, write_page

SPLIT: Final = datetime(2015, 8, 15, tzinfo=UTC)
SEED: Final = 11
ASKED: Final = 200
SHOWN: Final = 10
LIMIT: Final = 10
EARLIER: Final = 6
EVENTS: Final = DATA / "retailrocket_multibehavior" / "events.parquet"
TREE: Final = DATA / "retailrocket_raw" / "category_tree.parquet"

_RAW: Final = """
COPY (
    SELECT ts * 1000 AS timestamp, "user" AS visitorid, item AS itemid,
           CASE event WHEN 'cart' THEN 'addtocart' WHEN 'buy' THEN 'transaction' ELSE event END AS event,
           CASE event WHEN 'buy' THEN row_number() OVER (ORDER BY ts, "user", item) END AS transactionid
    FROM read_parquet($events) WHERE ts < $split ORDER BY ts
) TO '{}' (HEADER)
"""
_WHEN: Final = {"before": "ts < $split", "later": "ts >= $split", "on the day": "ts BETWEEN back AND back + 86400"}
_DONE: Final = {"view": "viewed", "cart": "put into the cart", "buy": "bought"}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, help="write the page here; default: standard output")
    out = arguments.parse_args().out
    if not EVENTS.exists() or not TREE.exists():
        sys.exit(f"{EVENTS} or {TREE} is missing; set SHOPFLOOR_TEST_DATA to the folder that holds them")
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "raw")
        raw.mkdir()
        duckdb.execute(_RAW.format(raw / "events.csv"), {"events": str(EVENTS), "split": SPLIT.timestamp()})
        duckdb.execute(f"COPY (SELECT * FROM read_parquet('{TREE}')) TO '{raw / 'category_tree.csv'}' (HEADER)")
        with served(Path(folder), "retailrocket", str(raw)) as ask:
            write_page(lines(ask), out)


def lines(ask: Ask) -> Iterator[str]:
    """The page, line by line."""
    ours, popular = Tally(), Tally()
    tables: list[str] = []
    same = popular_items()
    for number, visitor in enumerate(visitors()):
        answer = ask({"placement": "home", "anonymous_id": visitor, "limit": LIMIT})["items"]
        day, later = touched(visitor, "on the day"), touched(visitor, "later")
        ours.count([item["item_id"] for item in answer], day, later)
        popular.count(same, day, later)
        if number >= SHOWN:
            continue
        before = list(touched(visitor, "before").items())[:EARLIER]
        known = "; ".join(f"{item} ({done})" for item, done in before)
        tables += [f"## Visitor {visitor}", "", f"Lately: {known}.", ""]
        tables += ["| | we recommend | because | then |", "|---|---|---|---|"]
        for rank, item in enumerate(answer, 1):
            tables.append(f"| {rank} | {item['item_id']} | {item['reason']} | {later.get(item['item_id'], '')} |")
        tables += [f"| | *{len(later)} products in all after the split, {len(day)} on the day of return* | | |", ""]
    yield "# Ten visitors of RetailRocket, before and after"
    yield ""
    yield "Made by `python -m benchmarks.ten_visitors --out docs/ten-visitors.md`: the events up to 15 August 2015,"
    yield "in the raw form of the data set, through `import retailrocket`, `up`, `materialize` and `train`, asked over"
    yield "REST for `home`. Products and visitors have numbers only. Visitors were drawn by seed among those with at"
    yield "least three products before and one after; none was exchanged."
    yield ""
    yield f"Of {ASKED} visitors drawn so, who came back after days or weeks:"
    yield ""
    yield f"| | recommended | the {LIMIT} most visited products of the month before |"
    yield "|---|---|---|"
    yield f"| visitors who went to one of them on the day of return | {ours.visitors_day} | {popular.visitors_day} |"
    yield f"| visitors who did so at any time after | {ours.visitors} | {popular.visitors} |"
    yield f"| of all {ASKED * LIMIT} places, gone to on the day of return | {ours.places_day} | {popular.places_day} |"
    yield f"| of all {ASKED * LIMIT} places, gone to at any time after | {ours.places} | {popular.places} |"
    yield ""
    yield "Why the lists look as they do: who comes back to this shop goes on with what was looked at or put into the"
    yield "cart before, so that stands first, then what others went to from there. It is the day of return that the"
    yield "list is made for; over the weeks after, the shop's few favourites are come upon as often."
    yield ""
    yield from tables


def visitors() -> list[str]:
    query = """
        SELECT "user"::VARCHAR FROM read_parquet($events) GROUP BY 1
        HAVING count(DISTINCT item) FILTER (ts < $split) >= 3 AND count(*) FILTER (ts >= $split) > 0 ORDER BY 1"""
    known = [visitor for (visitor,) in duckdb.execute(query, _values()).fetchall()]
    return random.Random(SEED).sample(known, min(ASKED, len(known)))


@dataclass
class Tally:
    """Recommended products that were gone to, and visitors who went to any."""

    places_day: int = 0
    places: int = 0
    visitors_day: int = 0
    visitors: int = 0

    def count(self, items: list[str], day: dict[str, str], later: dict[str, str]) -> None:
        on_the_day, in_all = (sum(item in found for item in items) for found in (day, later))
        self.places_day, self.places = self.places_day + on_the_day, self.places + in_all
        self.visitors_day, self.visitors = self.visitors_day + bool(on_the_day), self.visitors + bool(in_all)


def touched(visitor: str, when: str) -> dict[str, str]:
    """The visitor's products before the split, after it (``later``), or ``on the day`` of return, the 24 hours from the
    first event after it; the latest first, with the most that was done with each."""
    query = f"""
        WITH own AS (SELECT *, min(ts) FILTER (ts >= $split) OVER () AS back FROM read_parquet($events)
                     WHERE "user"::VARCHAR = $visitor)
        SELECT item::VARCHAR, max(CASE event WHEN 'buy' THEN 3 WHEN 'cart' THEN 2 ELSE 1 END)
        FROM own WHERE {_WHEN[when]} GROUP BY item ORDER BY max(ts) DESC, item"""
    rows = duckdb.execute(query, _values() | {"visitor": visitor}).fetchall()
    return {item: tuple(_DONE.values())[most - 1] for item, most in rows}


def popular_items() -> list[str]:
    query = f"""
        SELECT item::VARCHAR FROM read_parquet($events) WHERE ts < $split AND ts >= $split - 30 * 86400
        GROUP BY 1 ORDER BY count(DISTINCT "user") DESC, 1 LIMIT {LIMIT}"""
    return [item for (item,) in duckdb.execute(query, _values()).fetchall()]


def _values() -> dict[str, object]:
    return {"events": str(EVENTS), "split": SPLIT.timestamp()}


if __name__ == "__main__":
    main()
