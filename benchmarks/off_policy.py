"""Do the 95 % intervals of ``shopfloor estimate`` hold the truth? Logs of the demo shop, whose true behaviour is known.

    python -m benchmarks.off_policy [--logs 200] [--answers 6000] [--share 0.2] [--rarer 1] [--json OUT]

The shop shows everybody what is popular, explored as serving explores it: ten places, forty candidates. The challenger
shows each customer what they like best of the forty. Each log is of customers of its own with six visits each, and is
drawn from the first page's true probabilities; how many of the logs give an interval that holds the truth is counted.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from benchmarks.figures import Figure, report
from serving.exploration import explored
from shopfloor.demo.behaviour import Memory
from shopfloor.demo.shop import DemoShop
from training.interactions import Ints
from training.off_policy import Estimates, LoggedSlots, Reals, estimate

SHOWN: Final = 10
"""The length of an answer that names none."""
POOL: Final = 40
"""Candidates of such an answer (``OVERSAMPLING`` in serving/recommend.py)."""
VISITS: Final = 6
NOTICED: Final = 1 / (1 + 0.35 * np.arange(SHOWN))
"""How likely each position is looked at."""
ESTIMATED: Final = ("ips", "snips", "doubly_robust", "gain")
CHOSEN: Final = tuple(range(SHOWN))
RESERVE: Final = tuple(range(SHOWN, POOL))
OUTCOMES: Final = 100_000
"""Answers among which each of the few hundred outcomes of exploring stands surely."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The demo's customers before the page: who clicks what, what the shop shows, what the challenger would."""

    click: Reals
    """[customers, items] probability of a click on an item that is looked at."""
    popular: Ints
    """[POOL] the shop's candidates, best first."""
    challenger: Ints
    """[customers, SHOWN]"""

    def rarer(self, times: float) -> "Truth":
        """The same with so many times fewer clicks, as purchases are fewer."""
        return replace(self, click=self.click / times)

    def worth(self) -> float:
        """Clicks for an answer of the challenger."""
        return float((np.take_along_axis(self.click, self.challenger, axis=1) * NOTICED).sum(axis=1).mean())

    def logged(self, share: float) -> float:
        """Clicks for an answer as the shop shows it."""
        shows = np.zeros((SHOWN, POOL))
        rng = Random(0)
        for _ in range(OUTCOMES):
            shown, propensities = explored(CHOSEN, RESERVE, 0, share, rng)
            shows[np.arange(SHOWN), shown] = propensities
        return float((self.click[:, self.popular].mean(axis=0) @ shows.T) @ NOTICED)


def demo_truth(customers: int = 250) -> Truth:
    """What that many customers of the demo shop do at noon of a day."""
    shop = DemoShop.create(seed=7, scale=0.3)
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    memory = Memory.blank(len(shop.population), len(shop.catalogue.leaves))
    views = np.stack([shop.behaviour.view_probabilities(customer, 10, noon, memory) for customer in range(customers)])
    popular = np.argsort(-views.mean(axis=0), kind="stable")[:POOL].astype(np.int32)
    own = np.argsort(-views[:, popular], axis=1, kind="stable")[:, :SHOWN]
    return Truth(np.minimum(views / views[:, popular].max() * 0.8, 0.8), popular, popular[own])


def logged(truth: Truth, seed: int, share: float, answers: int) -> LoggedSlots:
    """What a log holds of customers drawn from the shop, with VISITS answers each."""
    rng, swaps = np.random.default_rng(seed), Random(seed)
    customer = np.repeat(rng.integers(len(truth.click), size=answers // VISITS), VISITS)
    outcomes = [explored(CHOSEN, RESERVE, 0, share, swaps) for _ in customer]
    item = truth.popular[np.array([shown for shown, _ in outcomes])]
    likely = np.take_along_axis(truth.click[customer], item, axis=1) * NOTICED
    number = np.arange(len(customer), dtype=np.int32)
    return LoggedSlots(
        answer=np.repeat(number, SHOWN),
        position=np.tile(np.arange(SHOWN, dtype=np.int32), len(customer)),
        item=item.ravel(),
        propensity=np.array([propensities for _, propensities in outcomes]).ravel(),
        reward=(rng.random(item.shape) < likely).astype(np.float64).ravel(),
        challenger=truth.challenger[customer].ravel(),
        customer=np.repeat(number // VISITS, SHOWN),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the estimates from some logs said of one truth."""

    truth: dict[str, float]
    found: list[Estimates]

    def held(self, name: str) -> int:
        """In how many logs the interval of this estimate holds the truth."""
        return sum(low <= self.truth[name] <= high for _, low, high in (getattr(one, name) for one in self.found))

    def mean(self, name: str) -> float:
        return float(np.mean([getattr(one, name).value for one in self.found]))


def coverage(truth: Truth, logs: int, answers: int, share: float) -> Coverage:
    worth = truth.worth()
    told = dict.fromkeys(ESTIMATED, worth) | {"gain": worth - truth.logged(share)}
    return Coverage(told, [estimate(logged(truth, seed, share, answers), seed) for seed in range(logs)])


def figures(covered: Coverage) -> Iterator[Figure]:
    logs = len(covered.found)
    for name in ESTIMATED:
        spread = float(np.mean([high - low for _, low, high in (getattr(one, name) for one in covered.found)]))
        note = f"true {covered.truth[name]:.3f}, mean estimate {covered.mean(name):.3f}, mean width {spread:.3f}"
        yield Figure(f"{name}: intervals that hold the truth", covered.held(name), f"of {logs}", note=note)
    yield Figure("logs with a warning", sum(bool(one.warnings) for one in covered.found), f"of {logs}")
    yield Figure("weighted places, worth", round(float(np.mean([one.effective for one in covered.found]))))
    rewards = float(np.mean([one.effective_rewards for one in covered.found]))
    yield Figure("rewards in them", round(rewards, 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=200)
    parser.add_argument("--answers", type=int, default=6_000, help="of each log")
    parser.add_argument("--share", type=float, default=0.2, help="serving.explore_share")
    parser.add_argument("--rarer", type=float, default=1.0, help="so many times fewer clicks, as purchases are")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    asked = parser.parse_args()
    title = f"{asked.logs} logs of {asked.answers:,} answers, explore_share {asked.share}"
    covered = coverage(demo_truth().rarer(asked.rarer), asked.logs, asked.answers, asked.share)
    return report(title, list(figures(covered)), asked.json)


if __name__ == "__main__":
    sys.exit(main())
