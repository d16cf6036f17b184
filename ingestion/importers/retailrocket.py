"""The RetailRocket data set in its raw form: events, category tree and, where there are any, item properties.

Source: https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset (files events, category_tree,
item_properties_part1 and part2). What becomes what stands in ``docs/importing.md``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from feature_repo.errors import NotFound
from ingestion.importers.report import Report
from ingestion.importers.source import Source
from ingestion.importers.staging import Progress, Staging
from ingestion.importers.tree import repaired_tree, staged_nodes
from ingestion.transports.log import TAXONOMY

EVENT_NAMES: Final = {"view": "view_item", "addtocart": "add_to_cart", "transaction": "purchase"}
REPEATED: Final = "repeated line: all columns as on an earlier line"
OTHER_PROPERTY: Final = "item property other than categoryid and available (hashed by the publisher)"
OLDER_PROPERTY: Final = "item property that a later line replaces"

_SUFFIXES: Final = (".csv", ".csv.gz", ".parquet", ".jsonl", ".jsonl.gz")
_EVENT_COLUMNS: Final = ("timestamp", "visitorid", "event", "itemid", "transactionid")
_TREE_COLUMNS: Final = ("categoryid", "parentid")
_PROPERTY_COLUMNS: Final = ("timestamp", "itemid", "property", "value")


class RetailRocket:
    name = "retailrocket"
    fingerprint = "retailrocket rules 1"

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}; give the one that holds events and category_tree")
        self._events = Source.open(_found(folder, "events", "sample_events"))
        self._tree = Source.open(_found(folder, "category_tree"))
        self._properties = [
            Source.open(path)
            for name in ("item_properties", "item_properties_part1", "item_properties_part2")
            if (path := _look_for(folder, name)) is not None
        ]
        self.sources: Sequence[Source] = (self._events, self._tree, *self._properties)

    def stage(self, staging: Staging, report: Report, progress: Progress) -> None:
        """Each transaction becomes one purchase, each other line an event; the tree becomes the taxonomy."""
        self._events.require(_EVENT_COLUMNS)
        self._tree.require(_TREE_COLUMNS)
        for source in self._properties:
            source.require(_PROPERTY_COLUMNS)
        staging.load("event_lines", self._events, _EVENT_COLUMNS, report, progress)
        staging.load("tree_lines", self._tree, _TREE_COLUMNS, report, progress)
        self._stage_tree(staging, report)
        self._stage_events(staging, report)
        self._stage_products(staging, report, progress)

    def _stage_tree(self, staging: Staging, report: Report) -> None:
        missing = staging.run("SELECT line FROM tree_lines WHERE categoryid IS NULL")
        staging.refuse(self._tree, [(line, "categoryid", None, "is missing") for (line,) in missing])
        nodes = staging.run(
            "SELECT plain_id(categoryid), plain_id(parentid), NULL FROM tree_lines "
            "WHERE categoryid IS NOT NULL ORDER BY line"
        )
        categories = repaired_tree(nodes, report)
        raw = staged_nodes(categories, staging.started_at)
        staging.stage_catalogue(TAXONOMY, self._tree, raw)
        staging.run("CREATE TABLE categories (category VARCHAR)")
        staging.insert("categories", pa.table({"category": pa.array([c.category_id for c in categories], pa.string())}))

    def _stage_events(self, staging: Staging, report: Report) -> None:
        staging.run("CREATE TABLE names (event VARCHAR, name VARCHAR)")
        staging.insert("names", pa.table({"event": list(EVENT_NAMES), "name": list(EVENT_NAMES.values())}))
        staging.run(_TYPED)
        staging.run(_UNREADABLE, {"file": str(self._events.path), "known": ", ".join(EVENT_NAMES)})
        file = str(self._events.path)
        staging.run("DELETE FROM visits WHERE line IN (SELECT line FROM refused WHERE file = ?)", [file])
        report.leave_out(REPEATED, staging.count("SELECT count(*) FROM visits WHERE repeated"))
        staging.run("DELETE FROM visits WHERE repeated")
        staging.run(_STAGE_VISITS, {"file": file})
        staging.run(_STAGE_ORDERS, {"file": file})
        orders, lines = staging.run(
            "SELECT count(DISTINCT (visitor, transaction)), count(*) FROM visits WHERE name = 'purchase'"
        )[0]
        report.notes.append(f"{lines} transaction lines became {orders} purchases")

    def _stage_products(self, staging: Staging, report: Report, progress: Progress) -> None:
        staging.run("CREATE TABLE properties (item VARCHAR, property VARCHAR, value VARCHAR, time_ms BIGINT)")
        for source in self._properties:
            self._read_properties(source, staging, report, progress)
        staging.run(_PRODUCTS)
        older = staging.count("SELECT count(*) - count(DISTINCT (item, property)) FROM properties")
        report.leave_out(OLDER_PROPERTY, older)
        strange = staging.count("SELECT count(*) FROM products WHERE category NOT IN (SELECT category FROM categories)")
        report.repair("product in a category that the tree does not hold: left without one (products)", strange)
        staging.run(_STAGE_PRODUCTS, {"file": str(self._events.path)})
        if not self._properties:
            report.notes.append("no item_properties in the folder: products are the items seen, without category")

    def _read_properties(self, source: Source, staging: Staging, report: Report, progress: Progress) -> None:
        of_use = "SELECT * FROM batch WHERE property IN ('categoryid', 'available')"
        before = report.lines_read
        staging.load("property_lines", source, _PROPERTY_COLUMNS, report, progress, of_use)
        broken = staging.run("SELECT count(*) FROM refused WHERE file = ?", [str(source.path)])[0][0]
        kept = staging.count("SELECT count(*) FROM property_lines")
        report.leave_out(OTHER_PROPERTY, report.lines_read - before - kept - broken)
        staging.run(_UNREADABLE_PROPERTIES, [str(source.path)])
        staging.run(_READ_PROPERTIES)
        staging.run("DROP TABLE property_lines")


def _look_for(folder: Path, name: str) -> Path | None:
    return next((path for suffix in _SUFFIXES if (path := folder / f"{name}{suffix}").is_file()), None)


def _found(folder: Path, *names: str) -> Path:
    for name in names:
        if (path := _look_for(folder, name)) is not None:
            return path
    raise NotFound(f"{folder} holds no {names[0]} ({', '.join(names[0] + suffix for suffix in _SUFFIXES)})")


_TYPED: Final = """
CREATE TABLE visits AS
SELECT line, try_cast(timestamp AS BIGINT) * 1000 AS time_us, plain_id(visitorid) AS visitor, name,
       plain_id(itemid) AS item, plain_id(transactionid) AS transaction,
       row_number() OVER (PARTITION BY timestamp, visitorid, l.event, itemid, transactionid ORDER BY line) > 1
           AS repeated
FROM event_lines l LEFT JOIN names ON names.event = l.event
"""

_UNREADABLE: Final = """
INSERT INTO refused
SELECT $file, line, field, value, reason FROM (
    SELECT line, unnest([
        {field: 'timestamp', value: timestamp, wrong: coalesce(time_us NOT BETWEEN 0 AND 4102444800000000, true),
         reason: 'is no time in milliseconds since 1970'},
        {field: 'visitorid', value: visitorid, wrong: visitorid IS NULL, reason: 'is missing'},
        {field: 'event', value: event, wrong: name IS NULL, reason: 'is none of ' || $known},
        {field: 'itemid', value: itemid, wrong: itemid IS NULL, reason: 'is missing'},
        {field: 'transactionid', value: transactionid, wrong: name = 'purchase' AND transactionid IS NULL,
         reason: 'is missing on a transaction'}
    ], recursive := true) FROM visits JOIN event_lines USING (line)
) WHERE wrong
"""

_STAGE_VISITS: Final = """
INSERT INTO staged
SELECT 'events', time_us, line, 0, $file, [line], to_json({
    event_name: name, event_time: rfc3339(time_us), anonymous_id: visitor, items: [{item_id: item}],
    producer: {name: 'import-retailrocket'}
}) FROM visits WHERE name <> 'purchase'
"""

_STAGE_ORDERS: Final = """
INSERT INTO staged
SELECT 'events', time_us, line, 0, $file, lines, to_json({
    event_name: 'purchase', event_time: rfc3339(time_us), anonymous_id: visitor, items: items,
    transaction_id: transaction, producer: {name: 'import-retailrocket'}
}) FROM (
    SELECT visitor, transaction, min(time_us) AS time_us, min(line) AS line, list(line ORDER BY line) AS lines,
           list({item_id: item} ORDER BY line) AS items
    FROM visits WHERE name = 'purchase' GROUP BY visitor, transaction
)
"""

_UNREADABLE_PROPERTIES: Final = """
INSERT INTO refused
SELECT ?, line, 'timestamp', timestamp, 'is no time in milliseconds since 1970'
FROM property_lines WHERE try_cast(timestamp AS BIGINT) IS NULL
"""

_READ_PROPERTIES: Final = """
INSERT INTO properties
SELECT plain_id(itemid), property, plain_id(value), try_cast(timestamp AS BIGINT)
FROM property_lines WHERE try_cast(timestamp AS BIGINT) IS NOT NULL
"""

_PRODUCTS: Final = """
CREATE TABLE products AS
SELECT item, arg_max(value, time_ms) FILTER (property = 'categoryid') AS category,
       arg_max(value, time_ms) FILTER (property = 'available') AS available
FROM (FROM properties UNION ALL SELECT DISTINCT item, NULL, NULL, NULL FROM visits)
WHERE item IS NOT NULL GROUP BY item
"""

_STAGE_PRODUCTS: Final = """
INSERT INTO staged
SELECT 'products', 0, row_number() OVER (ORDER BY item), 0, $file, [], to_json({
    item_id: item, category_id: if(category IN (SELECT category FROM categories), category, NULL),
    in_stock: coalesce(available, '1') <> '0'
}) FROM products
"""
