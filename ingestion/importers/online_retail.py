"""The UCI Online Retail export: one line per invoice and stock code, from CSV or Parquet.

Source: Chen, D. (2015), Online Retail, UCI Machine Learning Repository, doi:10.24432/C5BW33. Its successor Online
Retail II names three columns differently and is read too. What becomes what stands in ``docs/importing.md``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from ingestion.contracts.event import MAX_ITEMS
from ingestion.importers import online_retail_rules as rules
from ingestion.importers.report import Report
from ingestion.importers.source import Source
from ingestion.importers.staging import Progress, Staging

COLUMNS: Final = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
_SECOND_EDITION: Final = {"InvoiceNo": "Invoice", "UnitPrice": "Price", "CustomerID": "Customer ID"}
_MONTH_FIRST, _DAY_FIRST = "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M"


class OnlineRetail:
    name = "online-retail"
    fingerprint = f"online-retail rules {rules.RULES_VERSION}"

    def __init__(self, path: Path) -> None:
        self._source = Source.open(path)
        self.sources: Sequence[Source] = (self._source,)

    def stage(self, staging: Staging, report: Report, progress: Progress) -> None:
        """One purchase an invoice, one refund a cancellation, one product a stock code."""
        has = self._source.columns
        columns = [c if c in has or _SECOND_EDITION.get(c) not in has else _SECOND_EDITION[c] for c in COLUMNS]
        self._source.require(columns)
        staging.load("source", self._source, columns, report, progress)
        names = ", ".join(("line", *COLUMNS))
        staging.run(f"CREATE VIEW texts AS SELECT * FROM source AS texts({names})")  # noqa: S608  # own constants
        progress("sorting invoices", 0, 3)
        self._read_values(staging, report)
        self._leave_out(staging, report)
        progress("sorting invoices", 1, 3)
        _stage_products(staging, report, str(self._source.path))
        progress("sorting invoices", 2, 3)
        _match_cancellations(staging, report)
        _stage_invoices(staging, report, str(self._source.path))
        progress("sorting invoices", 3, 3)

    def _read_values(self, staging: Staging, report: Report) -> None:
        """``retail``: typed columns. A line with a value that cannot be read is refused."""
        staging.run(_TYPED, {"date_format": _date_format(staging, report), "zone": rules.ZONE})
        staging.run(_UNREADABLE, {"file": str(self._source.path)})
        staging.run("DELETE FROM retail WHERE line IN (SELECT line FROM refused)")
        changed = staging.count("SELECT count(*) FROM retail WHERE code <> written_code")
        report.repair("stock code written in lower case: taken as upper case", changed)

    def _leave_out(self, staging: Staging, report: Report) -> None:
        """``kept``: the lines that no rule leaves out, with their market."""
        for table, columns in (
            ("codes", [(pattern, f"no product: {what} ({code})") for code, (what, pattern) in _codes()]),
            ("markets", list(rules.MARKETS.items())),
        ):
            first, second = zip(*columns, strict=True)
            staging.run(f"CREATE TABLE {table} (name VARCHAR, value VARCHAR)")
            staging.insert(table, pa.table({"name": first, "value": second}))
        staging.run(
            _RULED,
            {
                "repeated": rules.REPEATED,
                "adjustment": rules.STOCK_ADJUSTMENT,
                "positive": rules.POSITIVE_CANCELLATION,
                "no_price": rules.NO_PRICE,
            },
        )
        for rule, lines in staging.run("SELECT rule, count(*) FROM ruled WHERE rule IS NOT NULL GROUP BY rule"):
            report.leave_out(rule, lines)
        staging.run(_KEPT)
        unknown = staging.count(
            "SELECT count(*) FROM kept WHERE country IS NULL OR country NOT IN (SELECT name FROM markets)"
        )
        report.repair("country is in no table: market made from its name", unknown)


def _codes() -> list[tuple[str, tuple[str, str]]]:
    return list(rules.NOT_A_PRODUCT.items())


def _date_format(staging: Staging, report: Report) -> str:
    """Whether 1/12/2010 is January or December, by which of the two reads more of the file."""
    counts = "SELECT count(try_strptime(InvoiceDate, ?)), count(try_strptime(InvoiceDate, ?)) FROM texts"
    month_first, day_first = staging.run(counts, [_MONTH_FIRST, _DAY_FIRST])[0]
    if month_first == day_first == 0:
        return _MONTH_FIRST
    if day_first > month_first:
        report.notes.append("InvoiceDate is written day first")
        return _DAY_FIRST
    if day_first == month_first:
        report.notes.append("InvoiceDate fits month first and day first; it was read month first, as UCI writes it")
    return _MONTH_FIRST


def _stage_products(staging: Staging, report: Report, file: str) -> None:
    """The most frequent name of a code, and its usual price of late: the most frequent of its last 20 lines."""
    staging.run(_PRODUCTS)
    staging.run(_STAGE_PRODUCTS, {"file": file, "currency": rules.CURRENCY})
    renamed = staging.count(
        "SELECT count(*) FROM kept JOIN named USING (code) WHERE description IS DISTINCT FROM named.name"
    )
    report.repair("description differs from the product's most frequent one: that one taken", renamed)
    nameless = staging.count("SELECT count(*) FROM named WHERE name IS NULL")
    if nameless:
        report.notes.append(f"{nameless} products have no description anywhere and stay without a name")


def _match_cancellations(staging: Staging, report: Report) -> None:
    """``cancelled``: for a cancellation, the customer's earlier invoice that holds most of its items, the latest."""
    staging.run(_CANCELLED)
    matched, total = staging.run(
        "SELECT count(c.cancels), count(*) FROM (SELECT DISTINCT invoice FROM kept WHERE cancellation) "
        "LEFT JOIN cancelled c USING (invoice)"
    )[0]
    report.notes.append(
        f"{total} cancellations became refunds: {matched} name the invoice they cancel, "
        f"{total - matched} keep their own number without the C"
    )


def _stage_invoices(staging: Staging, report: Report, file: str) -> None:
    staging.run(_BASKETS)
    staging.run(_INVOICES, {"max_items": MAX_ITEMS})
    staging.run(
        _STAGE_INVOICES,
        {"file": file, "currency": rules.CURRENCY, "producer": f"import-{OnlineRetail.name}"},
    )
    joined, priced = staging.run(
        "SELECT coalesce(sum(n_lines - 1), 0), count(*) FILTER (prices > 1) FROM baskets WHERE n_lines > 1"
    )[0]
    report.repair("item on several lines of an invoice: joined into one", int(joined))
    report.repair("item at several prices on an invoice: mean price of a unit taken (items)", priced)
    times = "SELECT count(*) FROM (SELECT invoice FROM kept GROUP BY invoice HAVING count(DISTINCT time_us) > 1)"
    report.repair("invoice whose lines have several times: the earliest taken (invoices)", staging.count(times))
    split = "SELECT count(DISTINCT invoice) FROM invoices WHERE part > 0"
    report.repair(
        f"invoice of more than {MAX_ITEMS} items: several events of one transaction (invoices)", staging.count(split)
    )
    without = staging.count("SELECT count(DISTINCT invoice) FROM invoices WHERE customer IS NULL")
    report.notes.append(f"{without} invoices without customer stay as anonymous baskets, each its own")


_TYPED: Final = """
CREATE TABLE retail AS
SELECT line,
       plain_id(InvoiceNo) AS invoice,
       invoice LIKE 'C%' AS cancellation,
       trim(StockCode) AS written_code, upper(written_code) AS code,
       regexp_replace(trim(Description), '\\s+', ' ', 'g') AS description,
       try_cast(Quantity AS DOUBLE) AS quantity,
       epoch_us(timezone($zone, coalesce(
           try_strptime(InvoiceDate, $date_format), try_cast(InvoiceDate AS TIMESTAMP)))) AS time_us,
       try_cast(UnitPrice AS DOUBLE) AS price,
       plain_id(CustomerID) AS customer,
       trim(Country) AS country,
       row_number() OVER (PARTITION BY InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID,
                          Country ORDER BY line) > 1 AS repeated
FROM texts
"""

_UNREADABLE: Final = """
INSERT INTO refused
SELECT $file, line, field, value, reason FROM (
    SELECT line, unnest([
        {field: 'InvoiceNo', value: texts.InvoiceNo, wrong: coalesce(invoice, '') = '', reason: 'is missing'},
        {field: 'StockCode', value: texts.StockCode, wrong: coalesce(code, '') = '', reason: 'is missing'},
        {field: 'Quantity', value: texts.Quantity, wrong: coalesce(retail.quantity <> round(retail.quantity), true)
         OR isinf(retail.quantity),
         reason: 'is no whole number'},
        {field: 'InvoiceDate', value: texts.InvoiceDate, wrong: time_us IS NULL,
         reason: 'is no time; write it as 2010-12-31 23:59:00'},
        {field: 'UnitPrice', value: texts.UnitPrice, wrong: coalesce(NOT isfinite(price), true), reason: 'is no number'}
    ], recursive := true) FROM retail JOIN texts USING (line)
) WHERE wrong
"""

_RULED: Final = """
CREATE TABLE ruled AS
SELECT line, CASE
    WHEN repeated THEN $repeated
    WHEN codes.value IS NOT NULL THEN codes.value
    WHEN NOT cancellation AND quantity <= 0 THEN $adjustment
    WHEN cancellation AND quantity >= 0 THEN $positive
    WHEN price <= 0 THEN $no_price
END AS rule
FROM retail LEFT JOIN (
    SELECT code, any_value(value) AS value FROM (SELECT DISTINCT code FROM retail) JOIN codes
    ON regexp_full_match(code, codes.name) GROUP BY code
) codes USING (code)
"""

_KEPT: Final = """
CREATE TABLE kept AS
SELECT retail.* REPLACE (abs(quantity)::BIGINT AS quantity),
       coalesce(markets.value, nullif(trim(regexp_replace(upper(left(country, 32)), '[^A-Z0-9]+', '-', 'g'), '-'), ''))
           AS market
FROM retail JOIN ruled USING (line) LEFT JOIN markets ON markets.name = retail.country
WHERE rule IS NULL
"""

_PRODUCTS: Final = """
CREATE TABLE named AS
WITH descriptions AS (
    SELECT code, description, count(*) AS n, max(line) AS last
    FROM kept WHERE description IS NOT NULL GROUP BY code, description
),
recent AS (
    SELECT code, price, line FROM kept
    QUALIFY row_number() OVER (PARTITION BY code ORDER BY cancellation, time_us DESC, line DESC) <= 20
),
prices AS (SELECT code, price, count(*) AS n, max(line) AS last FROM recent GROUP BY code, price)
SELECT code, name, price FROM (
    SELECT code, arg_max(price, (n, last)) AS price FROM prices GROUP BY code
) LEFT JOIN (
    SELECT code, arg_max(description, (n, last)) AS name FROM descriptions GROUP BY code
) USING (code)
"""

_STAGE_PRODUCTS: Final = """
INSERT INTO staged
SELECT 'products', 0, row_number() OVER (ORDER BY code), 0, $file, [],
       to_json({item_id: code, name: name, price: price, currency: $currency, in_stock: true})
FROM named
"""

_CANCELLED: Final = """
CREATE TABLE cancelled AS
SELECT invoice, arg_max(sold, (items, time_us)) AS cancels FROM (
    SELECT c.invoice, s.invoice AS sold, count(DISTINCT c.code) AS items, max(s.time_us) AS time_us
    FROM kept c JOIN kept s ON s.customer = c.customer AND s.code = c.code
    WHERE c.cancellation AND NOT s.cancellation AND s.time_us <= c.time_us AND s.quantity >= c.quantity
    GROUP BY c.invoice, s.invoice
) GROUP BY invoice
"""

_BASKETS: Final = """
CREATE TABLE baskets AS
SELECT invoice, code, min(line) AS line, list(line ORDER BY line) AS lines, count(*) AS n_lines,
       count(DISTINCT price) AS prices, sum(quantity)::BIGINT AS quantity,
       round(sum(price * quantity) / sum(quantity), 4) AS price, sum(price * quantity) AS total,
       row_number() OVER (PARTITION BY invoice ORDER BY min(line)) - 1 AS place
FROM kept GROUP BY invoice, code
"""

_INVOICES: Final = """
CREATE TABLE invoices AS
SELECT invoice, part, cancellation, customer, market, time_us, line, lines, items, total,
       -- names come from the whole file, so the id leaves them out: the invoice is the same in a longer export
       'online-retail-' || md5(concat_ws('|', invoice, part, time_us, customer, content)) AS event_id
FROM (
    SELECT invoice, place // $max_items AS part, min(baskets.line) AS line,
           flatten(list(lines ORDER BY place)) AS lines, round(sum(total), 2) AS total,
           string_agg(code || 'x' || quantity, ',' ORDER BY place) AS content,
           list({item_id: code, item_name: name, price: baskets.price, quantity: quantity} ORDER BY place) AS items
    FROM baskets JOIN named USING (code) GROUP BY ALL
) JOIN (
    SELECT invoice, any_value(cancellation) AS cancellation, min(customer) AS customer,
           arg_min(market, line) AS market, min(time_us) AS time_us
    FROM kept GROUP BY invoice
) USING (invoice)
"""

_STAGE_INVOICES: Final = """
INSERT INTO staged
SELECT 'events', time_us, line, part, $file, lines, to_json({
    event_id: event_id, event_name: if(cancellation, 'refund', 'purchase'),
    event_time: rfc3339(time_us),
    user_id: customer, anonymous_id: if(customer IS NULL, 'invoice-' || ltrim(invoice, 'C'), NULL),
    market: market, currency: $currency, items: items,
    transaction_id: coalesce(cancels, ltrim(invoice, 'C')), value: total, producer: {name: $producer}
}) FROM invoices LEFT JOIN cancelled USING (invoice)
"""
