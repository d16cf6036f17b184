"""The Online Retail export: small invoices whose right outcome is obvious."""

import re
from pathlib import Path
from typing import Any

import pytest

from feature_repo.errors import BadInput
from ingestion.importers import online_retail_rules as rules
from ingestion.importers.online_retail import COLUMNS, OnlineRetail
from tests.unit.importers.imports import MemoryLog, a_file, imported, refused

GUIDE = Path(__file__).parents[3] / "docs" / "importing.md"


def a_line(**overrides: str) -> str:
    fields = {
        "InvoiceNo": "536365",
        "StockCode": "22139",
        "Description": "RETROSPOT TEA SET",
        "Quantity": "2",
        "InvoiceDate": "12/1/2010 8:26",
        "UnitPrice": "4.25",
        "CustomerID": "17850",
        "Country": "United Kingdom",
    }
    return ",".join((fields | overrides)[column] for column in COLUMNS)


class Shop:
    """Imports the given lines once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = MemoryLog()

    async def imports(self, *lines: str, header: str = ",".join(COLUMNS)) -> dict[str, Any]:
        path = a_file(self.folder, lines, header)
        return await imported(OnlineRetail(path), self.log, self.folder)

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.log.records("events")

    @property
    def products(self) -> list[dict[str, Any]]:
        return self.log.records("products")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


class TestAnInvoice:
    async def test_is_one_purchase_with_its_items_in_order(self, shop: Shop) -> None:
        await shop.imports(a_line(), a_line(StockCode="84029E", Description="HOT WATER BOTTLE", UnitPrice="3.39"))
        (purchase,) = shop.events
        assert purchase["event_name"] == "purchase"
        assert purchase["user_id"] == "17850"
        assert purchase["transaction_id"] == "536365"
        assert [item["item_id"] for item in purchase["items"]] == ["22139", "84029E"]
        assert purchase["items"][0] == {
            "item_id": "22139",
            "item_name": "RETROSPOT TEA SET",
            "price": 4.25,
            "quantity": 2,
        }
        assert (purchase["value"], purchase["currency"], purchase["market"]) == (15.28, "GBP", "GB")
        assert shop.log.keys("events") == ["u:17850"]

    async def test_in_summer_is_an_hour_behind_the_shops_clock(self, shop: Shop) -> None:
        await shop.imports(
            a_line(InvoiceDate="7/14/2011 9:00"), a_line(InvoiceNo="536366", InvoiceDate="12/14/2010 9:00")
        )
        assert [e["event_time"] for e in shop.events] == ["2010-12-14T09:00:00Z", "2011-07-14T08:00:00Z"]

    async def test_written_day_first_is_told_from_the_whole_file(self, shop: Shop) -> None:
        report = await shop.imports(
            a_line(InvoiceDate="1/12/2010 8:26"), a_line(InvoiceNo="536366", InvoiceDate="13/12/2010 8:26")
        )
        assert [e["event_time"][:10] for e in shop.events] == ["2010-12-01", "2010-12-13"]
        assert "InvoiceDate is written day first" in report["notes"]

    async def test_without_customer_is_an_anonymous_basket(self, shop: Shop) -> None:
        await shop.imports(a_line(CustomerID=""), a_line(StockCode="22111", CustomerID=""))
        (purchase,) = shop.events
        assert purchase["anonymous_id"] == "invoice-536365"
        assert "user_id" not in purchase
        assert len(purchase["items"]) == 2

    async def test_joins_several_lines_of_one_item(self, shop: Shop) -> None:
        report = await shop.imports(a_line(), a_line(StockCode="22111"), a_line(Quantity="6", UnitPrice="2.25"))
        (purchase,) = shop.events
        assert [(i["item_id"], i["quantity"], i["price"]) for i in purchase["items"]] == [
            ("22139", 8, 2.75),
            ("22111", 2, 4.25),
        ]
        assert purchase["value"] == 30.5
        assert {r["how"].split(":")[0] for r in report["repaired"]} == {
            "item on several lines of an invoice",
            "item at several prices on an invoice",
        }

    async def test_of_more_items_than_an_event_holds_becomes_several_of_one_transaction(self, shop: Shop) -> None:
        report = await shop.imports(*(a_line(StockCode=f"{10000 + n}") for n in range(501)))
        assert [len(e["items"]) for e in shop.events] == [500, 1]
        assert {e["transaction_id"] for e in shop.events} == {"536365"}
        assert len({e["event_id"] for e in shop.events}) == 2
        assert report["lines"]["used"] == 501

    async def test_whose_lines_have_two_times_has_the_earlier(self, shop: Shop) -> None:
        await shop.imports(a_line(InvoiceDate="12/1/2010 8:27"), a_line(StockCode="22111"))
        (purchase,) = shop.events
        assert purchase["event_time"] == "2010-12-01T08:26:00Z"

    async def test_has_the_same_id_in_a_longer_export(self, shop: Shop) -> None:
        await shop.imports(a_line())
        await shop.imports(a_line(), *(a_line(InvoiceNo="600000", Description="TEA SET", Quantity=q) for q in "123"))
        first, again, other = shop.events
        assert first["event_id"] == again["event_id"] != other["event_id"]


class TestACancellation:
    async def test_names_the_invoice_it_cancels(self, shop: Shop) -> None:
        report = await shop.imports(
            a_line(InvoiceNo="500001", InvoiceDate="12/1/2010 8:00"),
            a_line(InvoiceNo="500002", InvoiceDate="12/2/2010 8:00"),
            a_line(InvoiceNo="500003", InvoiceDate="12/3/2010 8:00", CustomerID="99999"),
            a_line(InvoiceNo="C500004", InvoiceDate="12/4/2010 8:00", Quantity="-1"),
            a_line(InvoiceNo="500005", InvoiceDate="12/5/2010 8:00"),
        )
        (refund,) = [e for e in shop.events if e["event_name"] == "refund"]
        assert refund["transaction_id"] == "500002"
        assert refund["items"][0]["quantity"] == 1
        assert refund["value"] == 4.25
        assert any("1 name the invoice" in note for note in report["notes"])

    async def test_of_more_than_was_bought_keeps_its_own_number(self, shop: Shop) -> None:
        await shop.imports(
            a_line(InvoiceNo="500001", Quantity="2"),
            a_line(InvoiceNo="C500004", InvoiceDate="12/4/2010 8:00", Quantity="-3"),
        )
        assert shop.events[1]["transaction_id"] == "500004"

    async def test_without_customer_keeps_its_own_number(self, shop: Shop) -> None:
        await shop.imports(a_line(InvoiceNo="C500004", Quantity="-3", CustomerID=""))
        (refund,) = shop.events
        assert (refund["transaction_id"], refund["anonymous_id"]) == ("500004", "invoice-500004")


class TestTheRules:
    @pytest.mark.parametrize(
        "code",
        [
            "POST",
            "DOT",
            "C2",
            "M",
            "m",
            "D",
            "S",
            "B",
            "BANK CHARGES",
            "AMAZONFEE",
            "CRUK",
            "PADS",
            "gift_0001_20",
            "TEST001",
            "ADJUST2",
        ],
    )
    async def test_a_code_that_is_no_product_is_left_out(self, shop: Shop, code: str) -> None:
        report = await shop.imports(a_line(), a_line(StockCode=code))
        assert [p["item_id"] for p in shop.products] == ["22139"]
        assert report["lines"]["left_out"] == 1
        assert report["left_out"][0]["rule"].startswith("no product: ")

    @pytest.mark.parametrize("code", ["DCGSSGIRL", "DCGS0003", "15056BL", "M1234", "POSTCARD"])
    async def test_a_code_that_only_looks_like_one_stays(self, shop: Shop, code: str) -> None:
        await shop.imports(a_line(StockCode=code))
        assert [p["item_id"] for p in shop.products] == [code]

    @pytest.mark.parametrize(
        ("line", "rule"),
        [
            (a_line(InvoiceNo="536366", Quantity="-5", UnitPrice="0"), rules.STOCK_ADJUSTMENT),
            (a_line(InvoiceNo="536366", UnitPrice="0"), rules.NO_PRICE),
            (a_line(InvoiceNo="536366", UnitPrice="-1.5"), rules.NO_PRICE),
            (a_line(InvoiceNo="C536366", Quantity="5"), rules.POSITIVE_CANCELLATION),
            (a_line(), rules.REPEATED),
        ],
    )
    async def test_a_line_that_a_rule_leaves_out(self, shop: Shop, line: str, rule: str) -> None:
        report = await shop.imports(a_line(), line)
        assert report["left_out"] == [{"rule": rule, "lines": 1}]
        assert len(shop.events) == 1

    def test_the_guide_shows_the_same_tables(self) -> None:
        guide = GUIDE.read_text()
        shown = dict(re.findall(r"^\| (.+?) \| `?(.+?)`? \|$", guide, re.MULTILINE))
        for code, (what, _) in rules.NOT_A_PRODUCT.items():
            assert shown[code] == what
        for country, market in rules.MARKETS.items():
            assert shown[country] == market


class TestProducts:
    async def test_have_their_most_frequent_name_and_latest_usual_price(self, shop: Shop) -> None:
        old = [a_line(InvoiceNo=f"{1000 + n}", UnitPrice="9.99") for n in range(30)]
        new = [
            a_line(InvoiceNo=f"{2000 + n}", InvoiceDate="6/1/2011 9:00", UnitPrice=price, Description="TEA SET, OLD?")
            for n, price in enumerate(["4.25"] * 15 + ["2.00"] * 5)
        ]
        new = [line.replace("TEA SET, OLD?", "TEA SET OLD") for line in new]
        report = await shop.imports(*old, *new)
        (product,) = shop.products
        assert (product["name"], product["price"], product["currency"]) == ("RETROSPOT TEA SET", 4.25, "GBP")
        assert product["in_stock"] is True
        assert report["repaired"][0]["count"] == 20
        assert {item["item_name"] for e in shop.events for item in e["items"]} == {"RETROSPOT TEA SET"}

    async def test_are_the_same_in_upper_and_lower_case(self, shop: Shop) -> None:
        report = await shop.imports(a_line(StockCode="85123A"), a_line(InvoiceNo="536366", StockCode="85123a"))
        assert [p["item_id"] for p in shop.products] == ["85123A"]
        assert report["repaired"][0]["count"] == 1


class TestMarkets:
    async def test_of_countries_in_the_table_and_in_none(self, shop: Shop) -> None:
        report = await shop.imports(a_line(Country="EIRE"), a_line(InvoiceNo="536366", Country="Trinidad & Tobago"))
        assert [e["market"] for e in shop.events] == ["IE", "TRINIDAD-TOBAGO"]
        assert report["repaired"] == [{"how": "country is in no table: market made from its name", "count": 1}]


class TestUnreadableLines:
    async def test_are_refused_with_field_and_value(self, shop: Shop) -> None:
        report = await shop.imports(
            a_line(),
            a_line(Quantity="two"),
            a_line(Quantity="1.5"),
            a_line(InvoiceDate="yesterday"),
            a_line(UnitPrice="nan"),
            a_line(StockCode=""),
        )
        assert refused(report) == {
            "Quantity: is no whole number": [3, 4],
            "InvoiceDate: is no time; write it as 2010-12-31 23:59:00": [5],
            "UnitPrice: is no number": [6],
            "StockCode: is missing": [7],
        }
        assert report["lines"] == {"read": 6, "used": 1, "left_out": 0, "refused": 5}

    async def test_a_missing_column_is_told_before_anything_is_sent(self, shop: Shop) -> None:
        with pytest.raises(BadInput, match=r"no column 'StockCode' \(did you mean 'Stockcode'\?\)"):
            await shop.imports(a_line(), header=",".join(COLUMNS).replace("StockCode", "Stockcode"))
        assert not shop.log.topics

    async def test_the_second_editions_columns_are_known(self, shop: Shop) -> None:
        header = ",".join(COLUMNS).replace("InvoiceNo", "Invoice").replace("UnitPrice", "Price")
        await shop.imports(a_line(CustomerID="17850.0"), header=header.replace("CustomerID", "Customer ID"))
        assert shop.events[0]["user_id"] == "17850"
