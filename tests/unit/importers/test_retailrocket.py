"""The RetailRocket data set in its raw form."""

from pathlib import Path
from typing import Any

import pytest

from feature_repo.errors import BadInput, NotFound
from ingestion.importers.retailrocket import RetailRocket
from tests.unit.importers.imports import MemoryLog, a_file, imported, refused

EVENTS = "timestamp,visitorid,event,itemid,transactionid"
TREE = "categoryid,parentid"
PROPERTIES = "timestamp,itemid,property,value"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def the_import(
    folder: Path, log: MemoryLog, events: list[str], tree: list[str], *properties: list[str]
) -> dict[str, Any]:
    a_file(folder, events, EVENTS, "events.csv")
    a_file(folder, tree, TREE, "category_tree.csv")
    for part, lines in enumerate(properties, start=1):
        a_file(folder, lines, PROPERTIES, f"item_properties_part{part}.csv")
    return await imported(RetailRocket(folder), log, folder)


class TestEvents:
    async def test_views_and_carts(self, tmp_path: Path, log: MemoryLog) -> None:
        await the_import(tmp_path, log, ["1433193132535,7,view,11,", "1433193133000,7,addtocart,11,"], ["1,"])
        view, cart = log.records("events")
        assert view["event_name"] == "view_item"
        assert view["event_time"] == "2015-06-01T21:12:12.535000Z"
        assert (view["anonymous_id"], view["items"]) == ("7", [{"item_id": "11"}])
        assert cart["event_name"] == "add_to_cart"

    async def test_the_lines_of_a_transaction_are_one_purchase(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = ["3000,7,transaction,11,5.0", "2000,7,transaction,12,5.0", "2500,8,transaction,11,6"]
        await the_import(tmp_path, log, lines, ["1,"])
        first, second = log.records("events")
        assert [i["item_id"] for i in first["items"]] == ["11", "12"]
        assert (first["transaction_id"], first["event_time"]) == ("5", "1970-01-01T00:00:02Z")
        assert second["anonymous_id"] == "8"

    async def test_repeated_and_unreadable_lines(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = ["2000,7,view,11,", "2000,7,view,11,", "soon,7,view,11,", "2000,7,stare,11,", "2000,7,transaction,11,"]
        report = await the_import(tmp_path, log, lines, ["1,"])
        assert refused(report) == {
            "timestamp: is no time in milliseconds since 1970": [4],
            "event: is none of view, addtocart, transaction": [5],
            "transactionid: is missing on a transaction": [6],
        }
        assert report["lines"] == {"read": 6, "used": 2, "left_out": 1, "refused": 3}


class TestTheTree:
    async def test_becomes_one_version_of_the_taxonomy_under_one_key(self, tmp_path: Path, log: MemoryLog) -> None:
        await the_import(tmp_path, log, ["2000,7,view,11,"], ["1,", "2,1", "3,1"])
        nodes = log.records("taxonomy")
        assert [(n["category_id"], n.get("parent_id")) for n in nodes] == [("1", None), ("2", "1"), ("3", "1")]
        assert {n["size"] for n in nodes} == {3}
        assert len({n["taxonomy_version"] for n in nodes}) == 1
        assert set(log.keys("taxonomy")) == {"taxonomy"}

    async def test_with_orphan_cycle_and_repetition_is_made_a_forest(self, tmp_path: Path, log: MemoryLog) -> None:
        report = await the_import(tmp_path, log, ["2000,7,view,11,"], ["1,", "2,99", "3,4", "4,5", "5,3", "1,2", ",1"])
        nodes = {n["category_id"]: n.get("parent_id") for n in log.records("taxonomy")}
        assert nodes == {"1": None, "2": None, "3": None, "4": "5", "5": "3"}
        assert {r["how"].split(":")[0]: r["count"] for r in report["repaired"]} == {
            "category stands twice": 1,
            "category whose parent is missing": 1,
            "cycle of categories": 1,
        }
        assert refused(report) == {"categoryid: is missing": [8]}


class TestProducts:
    async def test_without_properties_are_the_items_seen(self, tmp_path: Path, log: MemoryLog) -> None:
        await the_import(tmp_path, log, ["2000,7,view,11,", "2000,7,view,12,"], ["1,"])
        assert [(p["item_id"], p["in_stock"]) for p in log.records("products")] == [("11", True), ("12", True)]

    async def test_have_the_latest_category_and_availability(self, tmp_path: Path, log: MemoryLog) -> None:
        report = await the_import(
            tmp_path,
            log,
            ["2000,7,view,11,"],
            ["1,", "2,"],
            ["9,11,categoryid,2", "5,11,categoryid,1", "5,12,available,1", "5,11,790,n55.2"],
            ["9,12,available,0", "9,13,categoryid,77", "soon,13,available,0"],
        )
        products = {p["item_id"]: (p.get("category_id"), p["in_stock"]) for p in log.records("products")}
        assert products == {"11": ("2", True), "12": (None, False), "13": (None, True)}
        assert report["lines"] == {"read": 10, "used": 6, "left_out": 3, "refused": 1}
        assert report["repaired"][0]["count"] == 1


class TestTheFolder:
    def test_without_events(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match=r"holds no events \(events.csv"):
            RetailRocket(tmp_path)

    def test_that_is_none(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no folder"):
            RetailRocket(tmp_path / "nothing")

    async def test_whose_file_lacks_a_column(self, tmp_path: Path, log: MemoryLog) -> None:
        a_file(tmp_path, ["1,"], TREE, "category_tree.csv")
        a_file(tmp_path, ["1,7,view,1,"], EVENTS.replace("itemid", "item_id"), "events.csv")
        with pytest.raises(BadInput, match=r"no column 'itemid' \(did you mean 'item_id'\?\)"):
            await imported(RetailRocket(tmp_path), log, tmp_path)
        assert not log.topics
