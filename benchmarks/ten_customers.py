"""Ten real customers of Online Retail: what they bought, what we recommend over REST, and what they bought next.

    python -m benchmarks.ten_customers --out docs/ten-customers.md

The shop is imported up to the first of November 2011 with the commands a data engineer would use, trained and served;
what the customers bought later is known to this script alone. Customers are drawn by seed, not chosen.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

import duckdb

from benchmarks.real_shop import DATA, Ask, served, write_page

SPLIT: Final = datetime(2011, 11, 1)  # noqa: DTZ001  # the file's times have no zone
SEED: Final = 11
ASKED: Final = 200
SHOWN: Final = 10
LIMIT: Final = 10
EARLIER: Final = 8
FILE: Final = DATA / "online_retail" / "online_retail.parquet"

PRODUCT: Final = "regexp_matches(StockCode, '^[0-9]{5}') AND Quantity > 0 AND UnitPrice > 0 AND CustomerID IS NOT NULL"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--out", type=Path, help="write the page here; default: standard output")
    out = arguments.parse_args().out
    if not FILE.exists():
        sys.exit(f"{FILE} is missing; set SHOPFLOOR_TEST_DATA to the folder that holds online_retail/")
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder, "online_retail.parquet")
        duckdb.execute(
            f"COPY (SELECT * FROM read_parquet('{FILE}') WHERE InvoiceDate < ?) TO '{earlier}' (FORMAT parquet)",
            [SPLIT],
        )
        with served(Path(folder), "online-retail", str(earlier)) as ask:
            write_page(lines(ask), out)


def lines(ask: Ask) -> Iterator[str]:
    """The page, line by line."""
    hits = shown = popular_hits = 0
    tables: list[str] = []
    popular = set(popular_products())
    for number, customer in enumerate(customers()):
        question = {"placement": "home", "user_id": customer, "market": "GB", "limit": LIMIT}
        answer = ask(question)["items"]
        later = bought_later(customer)
        found = [item["item_id"] in later for item in answer]
        hits, shown, popular_hits = hits + sum(found), shown + len(found), popular_hits + len(popular & later)
        if number >= SHOWN:
            continue
        tables += [f"## Customer {customer}", "", f"Bought before: {'; '.join(bought_before(customer))}.", ""]
        tables += ["| | we recommend | because | bought next |", "|---|---|---|---|"]
        for rank, (item, hit) in enumerate(zip(answer, found, strict=True), 1):
            tables.append(f"| {rank} | {item['name']} | {item['reason']} | {'yes' if hit else ''} |")
        tables += [f"| | *{len(later)} products in all after 1 November* | | {sum(found)} of {len(found)} |", ""]
    yield "# Ten customers of Online Retail, before and after"
    yield ""
    yield "Made by `python -m benchmarks.ten_customers --out docs/ten-customers.md`: the real file up to 1 November"
    yield "2011 through `import`, `up`, `materialize` and `train`, asked over REST for `home`. The customers were drawn"
    yield "by seed among those with at least three orders before and one after; none was exchanged."
    yield ""
    yield f"Of all that was recommended to **{ASKED} customers drawn so, {hits / shown:.1%} was bought** in the five"
    yield f"weeks that followed ({hits} of {shown}). Of the {LIMIT} most bought products of the shop's last month, the"
    yield f"same for everyone, {popular_hits / shown:.1%} was. The first {SHOWN} of the {ASKED} customers follow."
    yield ""
    yield "Why the lists look as they do: these customers come back after days or weeks, so what they buy again and"
    yield "again and what customers of like taste buy weigh first, and the last visit weighs less. The shop sells to"
    yield "small retailers, who refill what sells."
    yield ""
    yield from tables


def customers() -> list[str]:
    query = f"""
        SELECT CAST(CustomerID AS BIGINT)::VARCHAR FROM read_parquet(?) WHERE {PRODUCT} GROUP BY 1
        HAVING count(DISTINCT InvoiceNo) FILTER (InvoiceDate < ?) >= 3 AND count(*) FILTER (InvoiceDate >= ?) > 0
        ORDER BY 1"""
    known = [customer for (customer,) in duckdb.execute(query, [str(FILE), SPLIT, SPLIT]).fetchall()]
    return random.Random(SEED).sample(known, ASKED)


def bought_before(customer: str) -> list[str]:
    query = f"""
        SELECT DISTINCT ON (StockCode) Description, InvoiceDate FROM read_parquet(?)
        WHERE {PRODUCT} AND CAST(CustomerID AS BIGINT)::VARCHAR = ? AND InvoiceDate < ?
        ORDER BY StockCode, InvoiceDate DESC"""
    rows = duckdb.execute(query, [str(FILE), customer, SPLIT]).fetchall()
    return [name.strip() for name, _ in sorted(rows, key=lambda row: row[1], reverse=True)[:EARLIER]]


def bought_later(customer: str) -> set[str]:
    query = f"""
        SELECT DISTINCT upper(StockCode) FROM read_parquet(?)
        WHERE {PRODUCT} AND CAST(CustomerID AS BIGINT)::VARCHAR = ? AND InvoiceDate >= ?"""
    return {code for (code,) in duckdb.execute(query, [str(FILE), customer, SPLIT]).fetchall()}


def popular_products() -> list[str]:
    query = f"""
        SELECT upper(StockCode) FROM read_parquet(?)
        WHERE {PRODUCT} AND InvoiceDate < ? AND InvoiceDate >= CAST(? AS TIMESTAMP) - INTERVAL 30 DAY
        GROUP BY 1 ORDER BY count(DISTINCT InvoiceNo) DESC, 1 LIMIT {LIMIT}"""
    return [code for (code,) in duckdb.execute(query, [str(FILE), SPLIT, SPLIT]).fetchall()]


if __name__ == "__main__":
    main()
