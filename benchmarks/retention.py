"""Do customers come back more? Policies for the first page, over six simulated months of the demo shop.

    python -m benchmarks.retention [--scale 0.6] [--seed 42] [--json OUT]

The same customers with the same luck (common random numbers) live through each policy; models are fitted anew each
month on what happened before. ``clicks, learnt`` and ``retention`` differ in one thing, what counts as a success when
the weights of the blend are learnt from the lists that were shown: a click, or the retention objective: the item was
clicked, bought in that visit, and the customer came back within 28 days. Measures are those of `shopfloor retention`.

The demo shop's customers are made up: what the table says holds for them, and shows what the measures can tell.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import minimize

from benchmarks.figures import Figure, report, skipped
from benchmarks.machinery import progress
from benchmarks.simulation import LENGTH, MONTH, WARM_UP, Months, Places, Policy, Weights, simulate, taken_places
from shopfloor.demo.assortment import MARKETS
from shopfloor.demo.shop import DemoShop
from training.blend import BLENDS
from training.evaluation.bootstrap import Interval, draw_ratios, interval
from training.evaluation.retention import MEASURES, WORDING, customer_sums

SEED: Final = 42
SIMULATED_MONTHS: Final = 6
RETURN_DAYS: Final = 28
EVERY: Final[Weights] = dict.fromkeys(BLENDS["home/returning"], 1.0)
BASELINE: Final = "clicks, as served"
"""What the others are compared with: the weights that ``home`` has within a visit, chosen for the next click."""
CLICKS_LEARNT: Final = "clicks, learnt"
RETENTION: Final = "retention"
"""Compared with ``CLICKS_LEARNT`` too: these two differ in the objective alone."""
RIDGE: Final = 1.0


class Tally(NamedTuple):
    """What each measure adds up for each customer, float64 [customers, measures]."""

    sums: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]


def policies() -> list[Policy]:
    return [
        Policy("nothing shown", {}),
        Policy("popular", {"popular": 1.0}),
        Policy(BASELINE, BLENDS["home"]),
        Policy(CLICKS_LEARNT, EVERY, lambda months, day: learnt(clicks, months, day)),
        Policy("buy again", {"buy_again_due": 1.0}),
        Policy("returning, as served", BLENDS["home/returning"]),
        Policy(RETENTION, EVERY, lambda months, day: learnt(bought_and_came_back, months, day)),
    ]


Success = Callable[[Months, int], Iterator[tuple[int, Places]]]
"""Of all that is known before a day: the days whose lists can be judged by then, and which places succeeded."""


def clicks(months: Months, before: int) -> Iterator[tuple[int, Places]]:
    for number, day in months.days:
        if number in months.lists and number < before:
            yield number, taken_places(months, number, day)[0]


def bought_and_came_back(months: Months, before: int) -> Iterator[tuple[int, Places]]:
    """Only lists whose 28 days are over: what is not decided yet is no failure."""
    last = np.full((before + 1, len(months.shop.population)), before + RETURN_DAYS + 1)
    for number, day in reversed(months.days):
        last[:number, day.customer] = np.minimum(last[:number, day.customer], number)
    for number, day in months.days:
        if number in months.lists and number + RETURN_DAYS < before:
            returned = last[number, day.customer] - number <= RETURN_DAYS
            yield number, taken_places(months, number, day)[1] & returned[:, None]


def learnt(success: Success, months: Months, day: int) -> Weights:
    """Weights of the models by a logistic regression of success on their scores, none negative.

    Places further down are noticed less: each place has a level of its own (Richardson et al., WWW 2007), so that a
    model is not praised for standing high. Weights are drawn towards equal ones while little is known.
    """
    judged = list(success(months, day))
    shown = np.concatenate([months.lists[number].item >= 0 for number, _ in judged] or [np.zeros((0, LENGTH), bool)])
    y = np.concatenate([good for _, good in judged] or [shown])[shown].astype(np.float64)
    if not y.any():
        return EVERY
    x = np.concatenate([months.lists[number].score for number, _ in judged])[shown].astype(np.float64)
    place = np.nonzero(shown)[1]
    n_models = x.shape[1]

    def loss(parameters: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        weight, level = parameters[:n_models], parameters[n_models:]
        z = x @ weight + level[place]
        error = 1 / (1 + np.exp(-z)) - y
        off = weight - weight.mean()
        value = float(np.logaddexp(0, z).sum() - y @ z + RIDGE * off @ off)
        return value, np.concatenate((x.T @ error + 2 * RIDGE * off, np.bincount(place, error, LENGTH)))

    start = np.concatenate((np.ones(n_models), np.full(LENGTH, -4.0)))
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * n_models + [(None, None)] * LENGTH)
    weight = found.x[:n_models]
    return dict(zip(EVERY, (weight / weight.max()).tolist(), strict=True)) if weight.max() > 0 else EVERY


def tally(months: Months) -> Tally:
    """The measures of the months after the warm-up, counted as from a lake."""
    people = months.shop.population
    days = pd.concat(
        pd.DataFrame({"customer": day.customer, "day": number, "orders": day.bought}) for number, day in months.days
    ).astype(np.int32)
    markets = [MARKETS[market].market for market in people.market.tolist()]
    customers = pd.DataFrame({"customer": np.arange(len(people)), "market": markets, "account": True})
    with duckdb.connect() as database:
        database.register("active_days", days)
        database.register("customers", customers)
        counted = customer_sums(database, WARM_UP, months.shop.behaviour.days)
    found = Tally(np.zeros((len(people), len(MEASURES))), np.zeros((len(people), len(MEASURES))))
    found.sums[counted.customer], found.sizes[counted.customer] = counted.sums, counted.sizes
    return found


class Drawn(NamedTuple):
    """A policy's measures, NaN where nobody was watched for long enough: ``value`` [m], ``draws`` [draws, m]."""

    value: npt.NDArray[np.float64]
    draws: npt.NDArray[np.float64]

    @classmethod
    def of(cls, found: Tally) -> "Drawn":
        done, of = found.sums.sum(axis=0), found.sizes.sum(axis=0)
        value = np.divide(done, of, out=np.full(len(of), np.nan), where=of > 0)
        return cls(value, draw_ratios(found.sums, found.sizes, SEED))

    def over(self, other: "Drawn", column: int) -> Interval:
        """The difference, paired: both on the same drawn customers."""
        return interval(self.value[column] - other.value[column], self.draws[:, column] - other.draws[:, column])


def figures(tallies: dict[str, Tally]) -> Iterator[Figure]:
    """Each measure of each policy with its difference to the baseline, and what the objective alone makes."""
    drawn = {name: Drawn.of(found) for name, found in tallies.items()}
    for column, measure in enumerate(MEASURES):
        what = WORDING[measure][0]
        if any(np.isnan(policy.value[column]) for policy in drawn.values()):
            yield skipped(what, "nobody was watched for long enough")
            continue
        for name, policy in drawn.items():
            own = interval(policy.value[column], policy.draws[:, column])
            than = "" if name == BASELINE else f"; over {BASELINE} {_shown(policy.over(drawn[BASELINE], column))}"
            yield Figure(f"{what}: {name}", own.value, note=f"{own.low:.3f} to {own.high:.3f}{than}")
        if {RETENTION, CLICKS_LEARNT} <= drawn.keys():
            alone = drawn[RETENTION].over(drawn[CLICKS_LEARNT], column)
            yield Figure(f"{what}: {RETENTION} over {CLICKS_LEARNT}", alone.value, note=_shown(alone))


def _shown(difference: Interval) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def run(shop: DemoShop, chosen: Sequence[Policy], seed: int) -> dict[str, Tally]:
    tallies = {}
    for policy in chosen:
        began = time.process_time()
        months = simulate(shop, policy, seed)
        tallies[policy.name] = tally(months)
        taken = [
            taken_places(months, number, day)[0].any(axis=1) for number, day in months.days if number in months.lists
        ]
        rate = float(np.concatenate(taken).mean()) if taken else 0.0
        weights = ", ".join(f"{name} {weight:.2f}" for name, weight in months.weights.items())
        seconds = time.process_time() - began
        progress(f"{policy.name}: {rate:.3f} of lists clicked; {seconds:.0f} s of CPU; {weights}")
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=0.6, help="1: 3,000 customers and 2,000 products")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed is another shop with other luck")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    shop = DemoShop.create(arguments.seed, arguments.scale, WARM_UP + SIMULATED_MONTHS * MONTH)
    found = list(figures(run(shop, policies(), arguments.seed)))
    title = f"{len(shop.population)} customers, {SIMULATED_MONTHS} simulated months; 95 % intervals over customers"
    return report(title, found, arguments.json)


if __name__ == "__main__":
    sys.exit(main())
