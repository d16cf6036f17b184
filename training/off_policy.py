"""Off-policy evaluation: what a challenger would have earned, from the logs of what was shown at random now and then.

Each slot of an answer counts for itself: a reward depends on the item and its position, not on its neighbours (the
item-position model, Li et al. 2018, Offline Evaluation of Ranking Policies with Click Models). Where the log shows the
challenger's own item at a position, its reward counts with 1 / propensity (inverse propensity scoring, IPS). SNIPS
divides by the weights themselves (Swaminathan and Joachims 2015); the doubly robust estimate (Dudik et al. 2011) adds
a model of the reward, so that either exact propensities or a good model suffice. Propensities here are exact.

What is shown rarely weighs hundreds when it is clicked: a log that happens to hold few such clicks tells too little and
spreads too little at once. Intervals therefore take the skew of what customers add into account (Hall 1992, On the
Removal of Skewness by Transformation); the percentile bootstrap misses the truth twice as often as it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from training.evaluation.bootstrap import Interval
from training.interactions import Ints
from training.logged_answers import LoggedAnswer

Reals = npt.NDArray[np.float64]

NOTHING: Final = -1
"""The challenger shows nothing at this position."""
PRIOR: Final = 1.0
"""Expected rewards with which an item's own rate is drawn towards the mean."""
LEVEL: Final = 1.959964
"""Standard deviations of a normal on either side that hold 95 %."""
LEAST_EFFECTIVE: Final = 150
LEAST_REWARDS: Final = 4
"""With a hundred places and three rewards, intervals that say 95 % hold the truth 91 times in 100, with two rewards 81
times (benchmarks/off_policy.py)."""
LEAST_CUSTOMERS: Final = 30
"""By custom; of one customer there is no interval at all."""
LEAST_SUPPORT: Final = 0.98
LEAST_SKEW: Final = 1e-6
"""Of less there is nothing to remove, and dividing by it would cost digits."""


@dataclass(frozen=True, slots=True)
class LoggedSlots:
    """n slots of logged answers, each position of each answer once."""

    answer: Ints
    """int32 [n], the number of the answer, from 0."""
    position: Ints
    """int32 [n], from 0."""
    item: Ints
    """int32 [n], what was shown."""
    propensity: Reals
    """float64 [n] in (0, 1], of this item at this position."""
    reward: Reals
    """float64 [n], what followed: 1 for a click or a purchase, 0 for none."""
    challenger: Ints
    """int32 [n], what the challenger shows there; NOTHING for an empty place."""
    customer: Ints
    """int32 [n], whose answer it is: customers are what is independent."""

    @property
    def weight(self) -> Reals:
        return np.where(self.item == self.challenger, 1.0 / self.propensity, 0.0)


def slots_of(answers: Sequence[LoggedAnswer], challenger: Sequence[Sequence[str]]) -> LoggedSlots:
    """The logged answers as slots, each with what the ``challenger`` shows there: one list of items for each answer."""
    numbers: dict[str, int] = {}
    customers: dict[str, int] = {}

    def numbered(item_id: str) -> int:
        return numbers.setdefault(item_id, len(numbers))

    rows: list[tuple[int, int, int, int, int]] = []
    values: list[tuple[float, float]] = []
    for number, (answer, proposed) in enumerate(zip(answers, challenger, strict=True)):
        # A question without a customer is one of its own.
        customer = customers.setdefault(answer.customer_key or f"answer {number}", len(customers))
        for position, item in enumerate(answer.items):
            other = numbered(proposed[position]) if position < len(proposed) else NOTHING
            rows.append((number, position, numbered(item.item_id), other, customer))
            values.append((item.propensity, item.reward))
    answer_number, position_number, shown, others, customer_number = np.array(rows, np.int32).T
    propensity, reward = np.array(values, np.float64).T
    return LoggedSlots(answer_number, position_number, shown, propensity, reward, others, customer_number)


class Estimates(NamedTuple):
    """Rewards for each answer, with 95 % intervals over customers."""

    logged: Interval
    """What the shop earned with what it showed."""
    ips: Interval
    snips: Interval
    doubly_robust: Interval
    gain: Interval
    """Doubly robust minus logged, paired."""
    supported: Interval
    """Mean weight: 1 where the log can show whatever the challenger shows; the rest it says nothing about."""
    effective: float
    """Slots that the weighted ones are worth, (sum w)^2 / sum w^2."""
    effective_rewards: float
    """Rewards to be expected in so many slots, by SNIPS."""
    answers: int
    warnings: tuple[str, ...]


def estimate(slots: LoggedSlots, seed: int) -> Estimates:
    """The challenger's worth. At least one slot is needed."""
    weight = slots.weight
    shown, proposed = predicted(slots, seed)
    n_positions = int(slots.position.max()) + 1
    n_customers = int(slots.customer.max()) + 1
    cell = slots.customer.astype(np.int64) * n_positions + slots.position

    def summed(values: Reals) -> Reals:
        """[customers, positions]"""
        sums = np.bincount(cell, values, n_customers * n_positions).astype(np.float64)
        return sums.reshape(n_customers, n_positions)

    answers = _answers_of(slots, n_customers)
    places, weights, weighted = summed(np.ones(len(weight))), summed(weight), summed(weight * slots.reward)
    rewards = summed(slots.reward).sum(axis=1)
    robust = summed(proposed + weight * (slots.reward - shown)).sum(axis=1)
    snips = _ratio(_self_normalised(places, weights, weighted), answers)
    supported = _ratio(weights.sum(axis=1), places.sum(axis=1))
    squares = float((weight**2).sum())
    effective = float(weight.sum() ** 2 / squares) if squares else 0.0
    effective_rewards = effective * snips.value * float(answers.sum()) / len(weight)
    return Estimates(
        logged=_ratio(rewards, answers),
        ips=_ratio(weighted.sum(axis=1), answers),
        snips=snips,
        doubly_robust=_ratio(robust, answers),
        gain=_ratio(robust - rewards, answers),
        supported=supported,
        effective=effective,
        effective_rewards=effective_rewards,
        answers=int(answers.sum()),
        warnings=tuple(_warnings(slots, supported, effective, effective_rewards)),
    )


def _answers_of(slots: LoggedSlots, n_customers: int) -> Reals:
    """[customers] how many answers each one got."""
    _, first = np.unique(slots.answer, return_index=True)
    return np.bincount(slots.customer[first], minlength=n_customers).astype(np.float64)


def _self_normalised(places: Reals, weights: Reals, weighted: Reals) -> Reals:
    """[customers] what each adds to SNIPS, from sums [customers, positions]; in first order where rates are divided."""
    total = weights.sum(axis=0)
    rate = np.divide(weighted.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    scale = np.divide(places.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    added: Reals = places @ rate + (weighted - rate * weights) @ scale
    return added


def _ratio(tops: Reals, bottoms: Reals) -> Interval:
    """Sum of ``tops`` over sum of ``bottoms``, both [customers], with the 95 % interval of Hall's transformation."""
    value = float(tops.sum() / bottoms.sum())
    influence = (tops - value * bottoms) / bottoms.sum()
    spread = float(np.sqrt((influence**2).sum()))
    if spread == 0:
        return Interval(value, value, value)
    skew = float(((influence / spread) ** 3).sum())
    return Interval(value, value - spread * _skewed(LEVEL, skew), value - spread * _skewed(-LEVEL, skew))


def _skewed(level: float, skew: float) -> float:
    """Where a studentised mean of so skewed values lies when a normal lies at ``level``: Hall's cubic, inverted."""
    if abs(skew) < LEAST_SKEW:
        return level
    return 3 / skew * (float(np.cbrt(1 + skew * (level - skew / 6))) - 1)


def predicted(slots: LoggedSlots, seed: int) -> tuple[Reals, Reals]:
    """[n] expected rewards of what was shown, and of what the challenger shows.

    The model is the rate of the position times how often the item earned more than its positions let expect (COEC,
    Zhang and Jones 2007). Each half of the customers is predicted from the other half, so that no reward predicts
    itself.
    """
    half = np.random.default_rng(seed).integers(2, size=int(slots.customer.max()) + 1)[slots.customer]
    shown, proposed = np.zeros(len(half)), np.zeros(len(half))
    n_items = int(max(slots.item.max(), slots.challenger.max())) + 1
    n_positions = int(slots.position.max()) + 1
    for part in (0, 1):
        known, asked = half != part, half == part
        position, item, reward = slots.position[known], slots.item[known], slots.reward[known]
        count = np.bincount(position, minlength=n_positions)
        rate = np.bincount(position, reward, n_positions) / np.maximum(count, 1)
        expected = np.bincount(item, rate[position], n_items)
        lift = (np.bincount(item, reward, n_items) + PRIOR) / (expected + PRIOR)
        at = rate[slots.position[asked]]
        challenger = slots.challenger[asked]
        shown[asked] = at * lift[slots.item[asked]]
        proposed[asked] = np.where(challenger == NOTHING, 0.0, at * lift[challenger])
    return shown, proposed


def _warnings(slots: LoggedSlots, supported: Interval, effective: float, effective_rewards: float) -> list[str]:
    warnings = []
    never = float(((slots.propensity >= 1) & (slots.item != slots.challenger)).mean())
    if supported.high < LEAST_SUPPORT or never > 1 - LEAST_SUPPORT:
        warnings.append(
            f"support is missing: the log could show what the challenger shows in about {supported.value:.0%} of the "
            f"places, and in {never:.0%} surely not (nothing was left to chance there). IPS counts the rest as earning "
            f"nothing and the doubly robust estimate rests on its model there; {_more_support(never)}"
        )
    if effective < LEAST_EFFECTIVE or effective_rewards < LEAST_REWARDS:
        warnings.append(
            f"the weighted places are worth only {effective:,.0f}, with about {effective_rewards:.1f} rewards in them; "
            f"below {LEAST_EFFECTIVE} places or {LEAST_REWARDS} rewards intervals are too narrow, "
            "collect more exposures"
        )
    customers = len(np.unique(slots.customer))
    if customers < LEAST_CUSTOMERS:
        warnings.append(
            f"only {customers} customer(s) got these answers: intervals are over customers, and say little of fewer "
            f"than {LEAST_CUSTOMERS}"
        )
    if not slots.reward.any():
        warnings.append("no reward followed any of these answers; do the shop's events carry recommendation_id?")
    return warnings


def _more_support(never: float) -> str:
    """What can be done where the log could not show what the challenger shows."""
    if never > 1 - LEAST_SUPPORT:
        return "raise serving.explore_share, and leave answers of before that out with --since"
    return "it shows items that were no candidates of what answered, and no exploring among those helps"
