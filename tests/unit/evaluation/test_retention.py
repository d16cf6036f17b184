"""Whether customers come back, counted on a few whose answer is obvious."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from feature_repo.errors import BadInput
from ingestion.contracts.tables import EVENTS_SCHEMA
from ingestion.sinks.lake import Lake, Source
from shopfloor.commands import retention
from tests.unit.training.lake_files import an_event, write_events
from training.evaluation.active_days import day_number, read_active_days
from training.evaluation.retention import EVERYBODY, Measure, Row, customer_sums, measured

DAY_MINUTES = 24 * 60
FIRST_DAY = day_number(datetime(2026, 3, 1, tzinfo=UTC))


def visit(customer: str, day: int, order: str | None = None, **changes: Any) -> dict[str, Any]:
    """A visit at noon of a day counted from the first one, with an order where it is named."""
    name = "view_item" if order is None else "purchase"
    return an_event(day * DAY_MINUTES, "tea", name, user_id=customer, transaction_id=order, **changes)


def until(day: int) -> dict[str, Any]:
    """An event of somebody else, left out as a bot would be, so that everything before ``day`` is watched."""
    return an_event(day * DAY_MINUTES, "tea", "refund", user_id="the shop", transaction_id="r")


@pytest.fixture
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


@pytest.fixture
def rows(database: duckdb.DuckDBPyConnection, tmp_path: Path) -> Any:
    def of(*events: dict[str, Any], since: int = 0, most_events_a_day: int = 1000) -> list[Row]:
        seen = read_active_days(database, write_events(tmp_path, *events), most_events_a_day=most_events_a_day)
        return measured(customer_sums(database, FIRST_DAY + since, day_number(seen.end)), seed=1)

    return of


def found(rows: list[Row], measure: Measure, slice: str = EVERYBODY) -> tuple[float | None, float]:
    [row] = [row for row in rows if (row.measure, row.slice) == (measure, slice)]
    return None if row.figure is None else row.figure.value, row.of


class TestReturn:
    def test_the_seventh_day_counts_and_the_eighth_does_not(self, rows: Any) -> None:
        told = rows(visit("anna", 0), visit("anna", 7), visit("ben", 0), visit("ben", 8), until(16))
        # Days 0, 7 of Anna and 0, 8 of Ben were each followed by seven whole days.
        assert found(told, Measure.RETURN_7) == (0.25, 4.0)

    def test_who_looks_again_on_the_same_day_did_not_come_back(self, rows: Any) -> None:
        again = an_event(5, "tea", user_id="anna")
        assert found(rows(visit("anna", 0), again, until(30)), Measure.RETURN_28) == (0.0, 1.0)

    def test_a_visit_whose_days_are_not_over_is_neither_lost_nor_won(self, rows: Any) -> None:
        told = rows(visit("anna", 0), visit("anna", 30), visit("anna", 31), until(50))
        assert found(told, Measure.RETURN_7) == (1 / 3, 3.0)
        assert found(told, Measure.RETURN_28) == (0.0, 1.0)

    def test_the_day_that_is_not_over_counts_for_nothing(self, rows: Any) -> None:
        assert found(rows(visit("anna", 0), visit("anna", 7)), Measure.RETURN_7) == (None, 0.0)
        assert found(rows(visit("anna", 0), visit("anna", 7), until(8)), Measure.RETURN_7) == (1.0, 1.0)

    def test_a_refund_is_no_visit(self, rows: Any) -> None:
        back = an_event(2 * DAY_MINUTES, "tea", "refund", user_id="anna", transaction_id="o1")
        assert found(rows(visit("anna", 0, "o1"), back, until(30)), Measure.RETURN_28) == (0.0, 1.0)


class TestSecondPurchase:
    def test_the_second_order_of_another_day_within_ninety_days(self, rows: Any) -> None:
        told = rows(
            visit("anna", 0, "a1"), visit("anna", 90, "a2"),
            visit("ben", 0, "b1"), visit("ben", 91, "b2"),
            visit("cleo", 0, "c1"), an_event(9, "tea", "purchase", user_id="cleo", transaction_id="c2"),
            visit("dora", 30, "too late to be watched"), visit("dora", 31, "d2"),
            visit("emil", 0), until(100),
        )  # fmt: skip
        assert found(told, Measure.SECOND_PURCHASE) == (1 / 3, 3.0)

    def test_an_order_before_the_window_was_the_first_one(self, rows: Any) -> None:
        told = rows(visit("anna", 0, "a1"), visit("anna", 20, "a2"), until(200), since=10)
        assert found(told, Measure.SECOND_PURCHASE) == (None, 0.0)


class TestOrdersAMonth:
    def test_who_never_came_again_is_counted_on(self, rows: Any) -> None:
        told = rows(visit("anna", 0, "a1"), visit("anna", 40, "a2"), visit("ben", 0), until(60))
        assert found(told, Measure.ORDERS_A_MONTH) == (0.5, 4.0)

    def test_months_begin_with_the_window_and_orders_before_it_do_not_count(self, rows: Any) -> None:
        told = rows(visit("anna", 0, "a1"), visit("anna", 40, "a2"), until(60), since=30)
        assert found(told, Measure.ORDERS_A_MONTH) == (1.0, 1.0)

    def test_an_order_told_in_two_events_is_one(self, rows: Any) -> None:
        more = an_event(1, ["cake"], "purchase", user_id="anna", transaction_id="a1")
        assert found(rows(visit("anna", 0, "a1"), more, until(30)), Measure.ORDERS_A_MONTH) == (1.0, 1.0)


class TestCustomers:
    def test_a_device_belongs_to_the_account_that_it_logs_in_to(self, rows: Any) -> None:
        told = rows(
            visit("", 0) | {"user_id": None, "anonymous_id": "d"},
            an_event(3 * DAY_MINUTES, [], "login", user_id="anna", anonymous_id="d"),
            visit("", 0) | {"user_id": None, "anonymous_id": "never logs in"},
            until(30),
        )
        assert found(told, Measure.RETURN_7, "customer=account") == (0.5, 2.0)
        assert found(told, Measure.RETURN_7, "customer=device") == (0.0, 1.0)

    def test_each_market_has_its_own_figures(self, rows: Any) -> None:
        told = rows(visit("anna", 0), visit("anna", 1), visit("ben", 0, market="SE"), until(9))
        assert found(told, Measure.RETURN_7, "market=DE") == (0.5, 2.0)
        assert found(told, Measure.RETURN_7, "market=SE") == (0.0, 1.0)
        assert found(told, Measure.RETURN_7) == (1 / 3, 3.0)

    def test_a_bot_and_who_withheld_consent_are_left_out(self, rows: Any) -> None:
        bot = [an_event(minute, "tea", user_id="bot") for minute in range(5)]
        silent = visit("silent", 0, consent={"analytics": False, "personalisation": True})
        told = rows(*bot, silent, visit("anna", 0), until(30), most_events_a_day=4)
        assert found(told, Measure.RETURN_28) == (0.0, 1.0)

    def test_the_interval_is_over_customers_not_over_visits(self, rows: Any) -> None:
        """One customer with a hundred visits is one customer: of two, a quarter of all draws hold one alone."""
        daily = [visit("daily", day) for day in range(100)]
        told = rows(*daily, visit("once", 0), until(130))
        [row] = [row for row in told if row.measure is Measure.RETURN_7]
        assert row.figure is not None
        assert (row.figure.low, row.figure.high) == (0.0, pytest.approx(0.99))


class TestCommand:
    def run(self, *options: str) -> Any:
        app = typer.Typer()
        app.callback()(lambda: None)
        retention.register(app)
        return CliRunner().invoke(app, ["retention", *options], catch_exceptions=False)

    @pytest.fixture(autouse=True)
    def shop(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path))
        monkeypatch.chdir(tmp_path)

    def fill(self, folder: Path, *events: dict[str, Any]) -> None:
        placed = [event | {"log_partition": 0, "log_offset": offset} for offset, event in enumerate(events)]
        rows = pa.Table.from_pylist(placed, schema=EVENTS_SCHEMA)
        Lake(str(folder / "lake")).append("events", rows, Source("log", "events"), {0: len(events)})

    def test_an_empty_lake_says_what_to_do(self) -> None:
        with pytest.raises(BadInput, match="shopfloor import"):
            self.run()

    def test_prints_a_table_and_writes_json(self, tmp_path: Path) -> None:
        self.fill(tmp_path, visit("anna", 0, "a1"), visit("anna", 5, "a2"), visit("ben", 1), until(20))
        told = json.loads(self.run("--json").stdout)
        assert (told["until"], told["bots"]) == ("2026-03-21", 0)
        figures = {row["measure"]: row["value"] for row in told["rows"] if row["slice"] == EVERYBODY}
        assert figures["return_7"] == pytest.approx(1 / 3)
        assert figures["second_purchase"] is None
        shown = self.run("--until", "2026-03-20").stdout
        assert "2026-03-20" in shown
        assert "not watched" in shown

    def test_dates_without_a_whole_day_are_told(self, tmp_path: Path) -> None:
        self.fill(tmp_path, visit("anna", 0), until(20))
        with pytest.raises(BadInput, match="widen the dates"):
            self.run("--since", "2026-05-01")
