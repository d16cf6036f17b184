"""The measures of retention on every order of Online Retail, beside the same counted customer by customer."""

import os
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from training.evaluation.active_days import day_number, read_active_days
from training.evaluation.retention import EVERYBODY, Measure, customer_sums, measured

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("SHOPFLOOR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
FILE = DATA / "online_retail" / "online_retail.parquet"

# One event an invoice, as the importer makes them; a product has a code that begins with five digits.
EVENTS = """
COPY (
    SELECT
        'purchase' AS event_name, CAST(min(InvoiceDate) AS TIMESTAMPTZ) AS event_time, InvoiceNo AS transaction_id,
        CAST(CAST(CustomerID AS BIGINT) AS VARCHAR) AS user_id,
        CASE WHEN CustomerID IS NULL THEN 'invoice-' || InvoiceNo END AS anonymous_id,
        Country AS market, {'analytics': true} AS consent
    FROM read_parquet($file)
    WHERE Quantity > 0 AND UnitPrice > 0 AND NOT starts_with(InvoiceNo, 'C') AND regexp_matches(StockCode, '^[0-9]{5}')
    GROUP BY ALL
) TO '{out}' (FORMAT parquet)
"""


@pytest.mark.data
def test_sql_and_counting_by_hand_agree(tmp_path: Path) -> None:
    if not FILE.is_file():
        pytest.skip(f"{FILE} is missing: point SHOPFLOOR_TEST_DATA at the folder of the shared data sets")
    events = tmp_path / "events.parquet"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(EVENTS.replace("{out}", str(events)), {"file": str(FILE)})
        seen = read_active_days(database, [str(events)])
        rows = measured(customer_sums(database, 0, day_number(seen.end)), seed=1)
    found = {row.measure: row for row in rows if row.slice == EVERYBODY}
    told = pd.read_parquet(events, columns=["event_time", "user_id", "anonymous_id", "transaction_id"])
    told["customer"] = told["user_id"].fillna(told["anonymous_id"])
    told["day"] = (told["event_time"] - pd.Timestamp("1970-01-01", tz="UTC")).dt.days
    end = int(told["day"].max())
    assert end == day_number(seen.end)
    asked, returned, buyers, second, months = 0, 0, 0, 0, 0.0
    told = told[told["day"] < end]
    for _, days in told.groupby("customer")["day"]:
        visited = sorted(set(days))
        for day in visited:
            if day + 28 < end:
                asked += 1
                returned += any(day < later <= day + 28 for later in visited)
        if visited[0] + 90 < end:
            buyers += 1
            second += any(visited[0] < later <= visited[0] + 90 for later in visited)
        months += (end - visited[0]) / 30
    expected = {
        Measure.RETURN_28: (returned / asked, asked),
        Measure.SECOND_PURCHASE: (second / buyers, buyers),
        Measure.ORDERS_A_MONTH: (told["transaction_id"].nunique() / months, months),
    }
    for measure, (value, of) in expected.items():
        figure = found[measure].figure
        assert figure is not None
        assert (figure.value, found[measure].of) == (pytest.approx(value), pytest.approx(of))
        assert figure.low < value < figure.high
