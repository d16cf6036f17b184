"""Whether customers come back: return within 7 and 28 days, second purchase, orders a customer-month.

One way to count for every source: the lake, a simulation, a file. It reads the tables of ``active_days.py``.

What is not over yet is not counted as lost (right censoring). A day of a visit is asked about only where all days in
which the customer could have returned were watched, whether or not they have returned already: to keep those who did
and drop those who have not yet would flatter.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from training.evaluation.bootstrap import Interval, draw_ratios, interval

MONTH_DAYS: Final = 30
SECOND_PURCHASE_DAYS: Final = 90
LARGEST_MARKETS: Final = 8
EVERYBODY: Final = "all"
OTHERS: Final = "(others)"


class Measure(StrEnum):
    """Each is a sum over a count, both over customers; the comment says what is counted below the line."""

    RETURN_7 = "return_7"
    """Of days with a visit: the share after which the customer came again on one of the 7 next days."""
    RETURN_28 = "return_28"
    """The same for 28 days."""
    SECOND_PURCHASE = "second_purchase"
    """Of customers who ordered for the first time: the share that ordered on another of the 90 next days."""
    ORDERS_A_MONTH = "orders_a_month"
    """Of customers known: orders for each 30 days since their first visit, those who never came again included."""


MEASURES: Final = tuple(Measure)
WORDING: Final[Mapping[Measure, tuple[str, str]]] = {
    Measure.RETURN_7: ("came back within 7 days", "visit days"),
    Measure.RETURN_28: ("came back within 28 days", "visit days"),
    Measure.SECOND_PURCHASE: (f"second order within {SECOND_PURCHASE_DAYS} days", "first orders"),
    Measure.ORDERS_A_MONTH: ("orders a month", "customer-months"),
}
"""What a measure is called, and what is counted below its line."""

_SUMS: Final = f"""
WITH days AS (
    SELECT customer, day, orders, lead(day) OVER (PARTITION BY customer ORDER BY day) - day AS pause
    FROM active_days WHERE day < $end
), visited AS (
    SELECT
        customer, min(day) AS first_day,
        count(*) FILTER (day >= $since AND day + 7 < $end) AS asked_7,
        count(*) FILTER (day >= $since AND day + 7 < $end AND pause <= 7) AS returned_7,
        count(*) FILTER (day >= $since AND day + 28 < $end) AS asked_28,
        count(*) FILTER (day >= $since AND day + 28 < $end AND pause <= 28) AS returned_28,
        coalesce(sum(orders) FILTER (day >= $since), 0) AS orders
    FROM days GROUP BY customer
), ordered AS (
    SELECT customer, min(day) AS first_order, min(day) FILTER (place = 2) AS second_order
    FROM (SELECT customer, day, row_number() OVER (PARTITION BY customer ORDER BY day) AS place
          FROM days WHERE orders > 0)
    WHERE place <= 2 GROUP BY customer
)
SELECT
    visited.customer, market, account,
    returned_7::DOUBLE AS {Measure.RETURN_7}, asked_7::DOUBLE AS {Measure.RETURN_7}_of,
    returned_28::DOUBLE AS {Measure.RETURN_28}, asked_28::DOUBLE AS {Measure.RETURN_28}_of,
    (watched AND coalesce(second_order - first_order <= {SECOND_PURCHASE_DAYS}, false))::DOUBLE
        AS {Measure.SECOND_PURCHASE},
    watched::DOUBLE AS {Measure.SECOND_PURCHASE}_of,
    orders::DOUBLE AS {Measure.ORDERS_A_MONTH},
    ($end - greatest(first_day, $since)) / {MONTH_DAYS}::DOUBLE AS {Measure.ORDERS_A_MONTH}_of
FROM visited LEFT JOIN (
    SELECT *, first_order >= $since AND first_order + {SECOND_PURCHASE_DAYS} < $end AS watched FROM ordered
) USING (customer)
JOIN customers USING (customer)
ORDER BY visited.customer
"""  # noqa: S608  # made of constants


@dataclass(frozen=True, slots=True)
class Row:
    """One measure of one slice, ``all`` or ``<what>=<which>``.

    ``figure`` is None where nobody was watched for long enough. ``of`` is the count below the line: days with a visit,
    customers with a first order, or customer-months.
    """

    slice: str
    measure: Measure
    figure: Interval | None
    of: float
    customers: int

    def as_document(self) -> dict[str, Any]:
        figure = {"value": None, "low": None, "high": None} if self.figure is None else self.figure._asdict()
        told = {"slice": self.slice, "measure": str(self.measure), "of": self.of, "customers": self.customers}
        return told | figure


@dataclass(frozen=True, slots=True)
class CustomerSums:
    """For each of n customers, in the order of their numbers, what each measure adds up.

    ``sums`` and ``sizes`` float64 [n, 4], columns as MEASURES; ``market`` [n] of names, None where unknown; ``account``
    bool [n].
    """

    customer: npt.NDArray[np.int32]
    sums: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    market: npt.NDArray[np.object_]
    account: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sums)


def customer_sums(database: duckdb.DuckDBPyConnection, since: int, end: int) -> CustomerSums:
    """Count the days [since, end), numbered as in ``active_days``.

    Days before ``since`` tell whose visits and orders are not the first ones.
    """
    columns = database.execute(_SUMS, {"since": since, "end": end}).fetchnumpy()

    def table(suffix: str) -> npt.NDArray[np.float64]:
        filled = [np.ma.filled(columns[f"{measure}{suffix}"], 0.0) for measure in MEASURES]
        return np.stack(filled, axis=1).astype(np.float64).reshape(-1, len(MEASURES))

    market: np.ma.MaskedArray[Any, Any] = np.ma.array(columns["market"], dtype=object)
    return CustomerSums(
        customer=np.ma.getdata(columns["customer"]).astype(np.int32),
        sums=table(""),
        sizes=table("_of"),
        market=np.asarray(np.ma.filled(market, None), dtype=object),
        account=np.ma.getdata(columns["account"]).astype(np.bool_),
    )


def measured(
    counted: CustomerSums, seed: int, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Row]:
    """Every measure of everybody, of each market and of accounts and devices; intervals draw customers.

    ``progress`` is told how many slices are done, of how many.
    """
    slices = list(_slices(counted))
    rows: list[Row] = []
    for number, (name, kept) in enumerate(slices):
        progress(number, len(slices))
        rows += _rows(name, counted.sums[kept], counted.sizes[kept], seed)
    progress(len(slices), len(slices))
    return rows


def _slices(counted: CustomerSums) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    yield EVERYBODY, np.ones(len(counted), np.bool_)
    known = np.array([market is not None for market in counted.market], np.bool_)
    names, sizes = np.unique(counted.market[known].astype(str), return_counts=True)
    largest = names[np.argsort(-sizes, kind="stable")[:LARGEST_MARKETS]]
    if len(names) > 1:
        for name in largest.tolist():
            yield f"market={name}", counted.market == name
        if len(names) > LARGEST_MARKETS:
            yield f"market={OTHERS}", known & ~np.isin(counted.market, largest)
    if counted.account.any() and not counted.account.all():
        yield "customer=account", counted.account
        yield "customer=device", ~counted.account


def _rows(name: str, sums: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], seed: int) -> Iterator[Row]:
    total, of, asked = sums.sum(axis=0), sizes.sum(axis=0), (sizes > 0).sum(axis=0)
    draws = draw_ratios(sums, sizes, seed)
    for column, measure in enumerate(MEASURES):
        found = interval(total[column] / of[column], draws[:, column]) if of[column] > 0 else None
        yield Row(name, measure, found, float(of[column]), int(asked[column]))
