"""Any table by a mapping, and mappings that do not fit."""

import re
from pathlib import Path
from typing import Any

import pytest

from feature_repo.errors import BadInput, NotFound
from ingestion.importers.mapping import Mapping
from tests.unit.importers.imports import VIEWS, MemoryLog, a_file, a_table, a_view, imported, refused

GUIDE = Path(__file__).parents[3] / "docs" / "importing.md"


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


class TestTheGuidesExample:
    async def test_makes_the_three_events_that_it_says(self, tmp_path: Path, log: MemoryLog) -> None:
        example = GUIDE.read_text().split("## Any table")[1]
        (orders,) = re.findall(r"```csv\n(.*?)```", example, re.DOTALL)
        (mapping,) = re.findall(r"```toml\n(.*?)```", example, re.DOTALL)
        (tmp_path / "orders.csv").write_text(orders)
        report = await imported(a_table(tmp_path / "orders.csv", mapping), log, tmp_path)
        first, second, refund = log.records("events")
        assert first["event_name"] == "purchase"
        assert first["event_time"] == "2024-12-24T08:30:00Z"
        assert (first["user_id"], first["transaction_id"], first["market"]) == ("old-1017", "A-1", "DE")
        assert first["items"] == [
            {
                "item_id": "4711",
                "item_name": "Terrakotta-Topf",
                "item_category": "Haus",
                "item_category2": "Garten",
                "item_category3": "Töpfe",
                "price": 1012.5,
                "quantity": 2,
            },
            {
                "item_id": "4712",
                "item_name": "Gießkanne",
                "item_category": "Haus",
                "item_category2": "Garten",
                "price": 9.95,
                "quantity": 1,
            },
        ]
        assert first["producer"] == {"name": "import-old-shop"}
        assert second["user_id"] == "old-1018"
        assert (refund["event_name"], refund["event_time"]) == ("refund", "2025-01-02T13:00:00Z")
        assert report["lines"] == {"read": 5, "used": 4, "left_out": 1, "refused": 0}


class TestTimes:
    @pytest.mark.parametrize(
        ("form", "zone", "text", "utc"),
        [
            ("iso", None, "2025-05-01T10:00:00+02:00", "2025-05-01T08:00:00Z"),
            ("iso", "Europe/Berlin", "2025-05-01 10:00", "2025-05-01T08:00:00Z"),
            ("epoch_s", None, "1746086400.5", "2025-05-01T08:00:00.500000Z"),
            ("epoch_ms", None, "1746086400001", "2025-05-01T08:00:00.001000Z"),
            ("%d/%m/%y %H.%M", "America/New_York", "01/05/25 04.00", "2025-05-01T08:00:00Z"),
            ("iso", "Europe/Berlin", "2025-10-26 02:30", "2025-10-26T00:30:00Z"),
        ],
    )
    async def test_are_read_as_the_mapping_says(
        self, tmp_path: Path, log: MemoryLog, form: str, zone: str | None, text: str, utc: str
    ) -> None:
        mapping = VIEWS + f'[time]\nformat = "{form}"\n' + (f'zone = "{zone}"\n' if zone else "")
        await imported(a_table(a_file(tmp_path, [f"view_item,{text},u,p"]), mapping), log, tmp_path)
        assert log.records("events")[0]["event_time"] == utc

    async def test_that_cannot_be_read_or_have_no_zone_or_lie_ahead(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = ["view_item,01.05.2025,u,p", "view_item,2025-05-01T10:00:00,u,p", "view_item,2030-01-01T00:00:00Z,u,p"]
        report = await imported(a_table(a_file(tmp_path, lines)), log, tmp_path)
        told = list(refused(report))
        assert told[0].startswith("event_time: is no time of the format iso")
        assert told[1].startswith("event_time: has no zone")
        assert "ahead of the server's clock" in told[2]


class TestValues:
    async def test_a_json_path_a_constant_and_an_absent_value(self, tmp_path: Path, log: MemoryLog) -> None:
        path = tmp_path / "old.jsonl"
        path.write_text(
            '{"t": 1746086400, "who": {"id": 5}, "article": {"no": "p1"}, "land": ""}\n'
            '{"t": 1746086401, "who": {"id": 6}, "article": {"no": "p2"}, "land": "AT"}\n'
        )
        mapping = """
            target = "events"
            time.format = "epoch_s"
            [fields]
            event_time = "t"
            user_id = "who.id"
            items.item_id = "article.no"
            market = "land"
            [constants]
            event_name = "view_item"
            market = "DE"
        """
        await imported(a_table(path, mapping), log, tmp_path)
        assert [(e["user_id"], e["market"]) for e in log.records("events")] == [("5", "DE"), ("6", "AT")]

    async def test_an_event_id_of_the_source_is_kept(self, tmp_path: Path, log: MemoryLog) -> None:
        path = a_file(tmp_path, [f"{a_view(1)},X-1"], header="event,time,user,item,id")
        mapping = VIEWS + 'event_id = "id"\n[prefixes]\nevent_id = "old-"\n'
        await imported(a_table(path, mapping), log, tmp_path)
        assert log.records("events")[0]["event_id"] == "old-X-1"

    async def test_what_the_contract_refuses_is_told_with_line_and_value(self, tmp_path: Path, log: MemoryLog) -> None:
        path = a_file(tmp_path, [f"{a_view(1)},-3", f"{a_view(2)},3"], header="event,time,user,item,n")
        mapping = VIEWS + 'items.quantity = "n"\n'
        report = await imported(a_table(path, mapping), log, tmp_path)
        (refusal,) = report["refused"]
        assert refusal["field"] == "items.quantity"
        assert refusal["examples"] == [{"file": str(path), "line": 2, "value": "-3"}]
        assert report["accepted"] == {"events": 1}

    async def test_a_group_whose_lines_disagree_is_counted(self, tmp_path: Path, log: MemoryLog) -> None:
        lines = ["purchase,2025-05-01T10:05:00Z,u1,p1,A", "purchase,2025-05-01T10:00:00Z,u2,p2,A"]
        mapping = VIEWS + 'transaction_id = "order"\n[group]\nby = ["order"]\n'
        path = a_file(tmp_path, lines, header="event,time,user,item,order")
        report = await imported(a_table(path, mapping), log, tmp_path)
        (event,) = log.records("events")
        assert (event["user_id"], event["event_time"]) == ("u1", "2025-05-01T10:00:00Z")
        assert report["repaired"][0]["count"] == 1


class TestProductsAndTaxonomy:
    LINES = ("p1;Topf;Haus > Garten;9,95;ja", "p2;Kanne; Haus>Küche ;1.000,00;nein")
    HEADER = "nr;name;gruppe;preis;lager"
    PRODUCTS = """
        target = "products"
        file.decimal = ","
        [fields]
        item_id = "nr"
        name = "name"
        price = "preis"
        in_stock = "lager"
        attributes.lager = "lager"
        [constants]
        currency = "EUR"
        [values.in_stock]
        ja = true
        nein = false
        [categories]
        column = "gruppe"
    """
    TAXONOMY = 'target = "taxonomy"\n[categories]\ncolumn = "gruppe"\n'

    async def test_products_stand_in_the_categories_that_the_taxonomy_makes(
        self, tmp_path: Path, log: MemoryLog
    ) -> None:
        path = a_file(tmp_path, self.LINES, self.HEADER)
        await imported(a_table(path, self.TAXONOMY), log, tmp_path)
        await imported(a_table(path, self.PRODUCTS), log, tmp_path)
        nodes = {n["category_id"]: (n.get("parent_id"), n["name"]) for n in log.records("taxonomy")}
        assert nodes == {
            "Haus": (None, "Haus"),
            "Haus > Garten": ("Haus", "Garten"),
            "Haus > Küche": ("Haus", "Küche"),
        }
        pot, can = log.records("products")
        assert (pot["category_id"], pot["price"], pot["in_stock"]) == ("Haus > Garten", 9.95, True)
        assert (can["category_id"], can["price"], can["in_stock"]) == ("Haus > Küche", 1000, False)
        assert pot["attributes"] == {"lager": "ja"}
        assert log.keys("products") == ["p1", "p2"]

    async def test_a_taxonomy_of_ids(self, tmp_path: Path, log: MemoryLog) -> None:
        path = a_file(tmp_path, ["1,,Haus", "2,1,Garten", ",1,?"], header="id,above,name")
        mapping = 'target = "taxonomy"\n[fields]\ncategory_id = "id"\nparent_id = "above"\nname = "name"\n'
        report = await imported(a_table(path, mapping), log, tmp_path)
        assert [n["category_id"] for n in log.records("taxonomy")] == ["1", "2"]
        assert refused(report) == {"category_id: is missing": [4]}


class TestAMappingThatDoesNotFit:
    @pytest.mark.parametrize(
        ("change", "told"),
        [
            (("[fields]", "[felds]"), r"felds is no key of a mapping \(did you mean 'fields'\?\); known are target"),
            (("user_id =", "userid ="), r"\[fields\] userid is no field of events \(did you mean 'user_id'\?\)"),
            (("items.item_id", "items.itemid"), r"items.itemid is no field of events \(did you mean 'items.item_id'"),
            (('"events"', '"event"'), r"target: Input should be 'events', 'products' or 'taxonomy'"),
            (('event_name = "event"', ""), "event_name is missing"),
            (('user_id = "user"', ""), "needs user_id or anonymous_id"),
            (("[fields]", "[time]\nformat='epoch'\n[fields]"), r"format 'epoch' is unknown \(did you mean 'epoch_"),
            (("[fields]", "[time]\nzone='Europe/Berln'\n[fields]"), r"'Europe/Berln' is unknown.*'Europe/Berlin'"),
            (("[fields]", "[time]\nformat='%d.%m.%Y'\n[fields]"), "has no zone of its own"),
            (("[fields]", "[file]\ndecimals=','\n[fields]"), r"file.decimals is no key.*did you mean 'decimal'"),
            (
                ("[fields]", "[values.event_name]\nKauf='purchse'\n[fields]"),
                r"'purchse' is unknown \(did you mean 'purchase'\?\)",
            ),
            (("[fields]", "[prefixes]\nanonymous_id='x'\n[fields]"), r"\[prefixes\] anonymous_id has no column"),
            (("[fields]", "[fields"), "is no valid TOML"),
        ],
    )
    def test_is_refused_with_key_and_nearest(self, change: tuple[str, str], told: str) -> None:
        assert change[0] in VIEWS
        with pytest.raises(BadInput, match=told):
            Mapping.parse(VIEWS.replace(*change), "MAPPING.toml")

    def test_a_column_that_the_file_does_not_have(self, tmp_path: Path) -> None:
        path = a_file(tmp_path, [a_view(1)])
        with pytest.raises(BadInput, match=r"no column 'items' \(did you mean 'item'\?\)"):
            a_table(path, VIEWS.replace('"item"', '"items"'))

    def test_no_mapping(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="there is no mapping"):
            Mapping.read(tmp_path / "MAPPING.toml")

    @pytest.mark.parametrize("target", ["products", "taxonomy"])
    def test_the_key_of_a_record_is_missing(self, target: str) -> None:
        with pytest.raises(BadInput, match=r"item_id is missing|comes from category_id"):
            Mapping.parse(f'target = "{target}"\n[fields]\nname = "name"\n', "MAPPING.toml")


def test_the_guide_names_every_key_of_a_mapping() -> None:
    guide = GUIDE.read_text()
    keys: list[Any] = [key for key in Mapping.model_fields if f"[{key}" not in guide and f"{key} =" not in guide]
    assert not keys
