"""What the demo's customers truly want: the known choice model that estimates can be held against.

A visitor chooses a category and then a product in it, each by a multinomial logit (McFadden 1974). Everything is a
pure function of who the customer is, the day, and what they remember (``Memory``): what they bought before, and how
their last visit was. ``satisfaction.py`` says what makes a visit a good one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

import numpy as np

from shopfloor.demo.catalogue import Catalogue, Flags, Floats, Ints
from shopfloor.demo.population import Population

SEASON_WEIGHT: Final = 1.2
COMPLEMENT_WEIGHT: Final = 3.0
COMPLEMENT_DAYS: Final = 12.0
REPEAT_WEIGHT: Final = 3.5
LOYALTY_WEIGHT: Final = 3.0
SATIATION_WEIGHT: Final = 2.5
NOVELTY_WEIGHT: Final = 1.0
NOVELTY_DAYS: Final = 10.0
STAY_IN_LEAF: Final = 0.52
FOLLOW_COMPLEMENT: Final = 0.18
LOOK_AGAIN: Final = 0.22
CART_INTERCEPT: Final = -2.6
CHECKOUT: Final = 0.6
COME_BACK_WHEN_DUE: Final = 3.0
USUAL_SATISFACTION: Final = 0.5
COME_BACK_WHEN_SATISFIED: Final = 1.5
LEAVE_WHEN_DISSATISFIED: Final = 2.5


@dataclass(slots=True)
class Memory:
    """What each customer remembers; days count from the first day of the simulation."""

    day: Floats
    """[u, c] of the last purchase in each leaf, -inf where nothing was bought."""
    item: Ints
    """[u, c] what it was, -1 where nothing."""
    satisfaction: Floats
    """[u] in [0, 1] with the last visit; the usual one before the first."""
    gone: Flags
    """[u] left for good."""

    @classmethod
    def blank(cls, n_customers: int, n_leaves: int) -> Self:
        return cls(
            day=np.full((n_customers, n_leaves), -np.inf),
            item=np.full((n_customers, n_leaves), -1, dtype=np.int64),
            satisfaction=np.full(n_customers, USUAL_SATISFACTION),
            gone=np.zeros(n_customers, dtype=np.bool_),
        )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """``customers`` is int [k] throughout; ``days`` is the length of the simulation, whose end is ``now``."""

    catalogue: Catalogue
    population: Population
    days: int
    items_of_leaf: Ints
    """[c, w] products of each leaf, filled up with -1."""
    gap: Floats
    """[c] days until a consumable is used up, 0 for what lasts."""

    @classmethod
    def of(cls, catalogue: Catalogue, population: Population, days: int) -> Self:
        members = [np.flatnonzero(catalogue.leaf == leaf) for leaf in range(len(catalogue.leaves))]
        table = np.full((len(members), max(map(len, members))), -1, dtype=np.int64)
        for leaf, items in enumerate(members):
            table[leaf, : len(items)] = items
        gap = np.array([leaf.gap for leaf in catalogue.leaves], dtype=np.float64)
        return cls(catalogue, population, days, table, gap)

    def visit_probability(self, day: int, weekend: bool, memory: Memory) -> Floats:
        """[u] that a customer comes today: more likely when something is about to run out, and after a good visit."""
        people = self.population
        due = self._due(memory.day, day).max(axis=1)
        mood = np.exp(COME_BACK_WHEN_SATISFIED * (memory.satisfaction - USUAL_SATISFACTION))
        rate = people.visits_per_day * (1.25 if weekend else 0.9) * (1 + COME_BACK_WHEN_DUE * due) * mood
        return np.where((people.first_day <= day) & ~memory.gone, 1 - np.exp(-rate), 0.0)

    def leave_probabilities(self, customers: Ints, satisfaction: Floats) -> Floats:
        """[k] that after a visit of this satisfaction [k] the customer never comes again.

        A chance after each visit, one's own, as in the BG/NBD model (Fader, Hardie, Lee 2005); there it does not
        depend on how the visit was.
        """
        unhappy = np.exp(-LEAVE_WHEN_DISSATISFIED * (satisfaction - USUAL_SATISFACTION))
        return np.minimum(self.population.churn[customers] * unhappy, 1.0)

    def leaf_probabilities(self, customers: Ints, day: int, when: datetime, memory: Memory) -> Floats:
        """[k, c] of the category that a visit starts with; rows sum to 1."""
        bought = memory.day[customers]
        since = day - bought
        recent = np.where(since >= 0, np.exp(-since / COMPLEMENT_DAYS), 0.0)
        lasting = (self.gap == 0) & np.isfinite(bought)
        utility = (
            self.population.taste[customers]
            + SEASON_WEIGHT * self._season(when)
            + COMPLEMENT_WEIGHT * (recent @ self.catalogue.goes_with)
            + REPEAT_WEIGHT * self._due(bought, day)
            - SATIATION_WEIGHT * lasting
        )
        return _softmax(utility)

    def item_probabilities(self, customers: Ints, leaf: Ints, day: int, memory: Memory) -> Floats:
        """[k, w] of each product of the leaf [k] being viewed next; columns as in ``items_of_leaf``."""
        items = self.items_of_leaf[leaf]
        utility = self.fit(customers, items) + self._pull(customers, items, day)
        loyal = (self.gap[leaf] > 0)[:, None] & (items == memory.item[customers, leaf][:, None])
        return _softmax(np.where(self._offered(customers, items, day), utility + LOYALTY_WEIGHT * loyal, -np.inf))

    def fit(self, customers: Ints, items: Ints) -> Floats:
        """[k, w] how well the products [k, w] suit: style and price."""
        people, goods = self.population, self.catalogue
        style = np.einsum("ks,kws->kw", people.style[customers], goods.style[items])
        off = goods.price_z[items] - people.price_level[customers][:, None]
        return np.asarray(style - people.price_sense[customers][:, None] * off**2)

    def cart_probabilities(self, customers: Ints, items: Ints, day: int, memory: Memory) -> Floats:
        """[k] that the product viewed [k] goes into the cart."""
        leaf = self.catalogue.leaf[items]
        bought = memory.day[customers, leaf]
        again = (self.gap[leaf] > 0) & (memory.item[customers, leaf] == items)
        due = self._due(memory.day[customers], day)[np.arange(len(customers)), leaf]
        lasting = (self.gap[leaf] == 0) & np.isfinite(bought)
        dear = np.log(self.catalogue.price[items] / 40)
        z = CART_INTERCEPT + 0.5 * self.fit(customers, items[:, None])[:, 0] - 0.35 * dear
        return np.asarray(1 / (1 + np.exp(-(z + 1.0 * (self.gap[leaf] > 0) + 2.5 * again * due - 1.5 * lasting))))

    def view_probabilities(self, customer: int, day: int, when: datetime, memory: Memory) -> Floats:
        """[n] the truth: with what probability each product is the first this customer views in a visit."""
        who = np.array([customer])
        by_leaf = self.leaf_probabilities(who, day, when, memory)[0]
        every_leaf = np.arange(len(by_leaf))
        within = self.item_probabilities(np.full(len(by_leaf), customer), every_leaf, day, memory)
        result = np.zeros(self.catalogue.n_items)
        present = self.items_of_leaf >= 0
        result[self.items_of_leaf[present]] = (by_leaf[:, None] * within)[present]
        return result

    def purchase_probabilities(self, customer: int, day: int, when: datetime, memory: Memory) -> Floats:
        """[n] the truth: that the first view of a visit is of this product and ends in its purchase."""
        items = np.arange(self.catalogue.n_items)
        carted = self.cart_probabilities(np.full(len(items), customer), items, day, memory)
        return self.view_probabilities(customer, day, when, memory) * carted * CHECKOUT

    def next_leaf_probabilities(self, leaf: Ints, fresh: Floats) -> Floats:
        """[k, c] of the next category of a visit that is in ``leaf`` [k]; ``fresh`` as ``leaf_probabilities``."""
        follow = self.catalogue.goes_with[leaf]
        stay = np.zeros_like(fresh)
        stay[np.arange(len(leaf)), leaf] = STAY_IN_LEAF + FOLLOW_COMPLEMENT * (follow.sum(axis=1) == 0)
        return np.asarray(stay + FOLLOW_COMPLEMENT * follow + (1 - STAY_IN_LEAF - FOLLOW_COMPLEMENT) * fresh)

    def _offered(self, customers: Ints, items: Ints, day: int) -> Flags:
        launched = self.catalogue.age_days[items] >= self.days - day
        sold = self.catalogue.sold[items, self.population.market[customers][:, None]]
        anything = sold & launched & (items >= 0)
        return np.where(anything.any(axis=1, keepdims=True), anything, items >= 0)

    def _pull(self, customers: Ints, items: Ints, day: int) -> Floats:
        """Popularity in the market, and the attraction of what is new."""
        popularity = self.catalogue.popularity[items, self.population.market[customers][:, None]]
        age = np.maximum(self.catalogue.age_days[items] - (self.days - day), 0)
        return np.asarray(popularity + NOVELTY_WEIGHT * np.exp(-age / NOVELTY_DAYS))

    def _season(self, when: datetime) -> Floats:
        month = when.timetuple().tm_yday / 365.25 * 12
        peaks = np.array([leaf.peak for leaf in self.catalogue.leaves])
        return np.where(peaks > 0, np.cos((month - (peaks - 0.5)) / 12 * 2 * np.pi), 0.0)

    def _due(self, bought: Floats, day: int) -> Floats:
        """In [0, 1]: highest when ``gap`` days have passed since the last purchase of a consumable."""
        gap = np.where(self.gap > 0, self.gap, 1.0)
        late = (day - bought - gap) / (0.2 * gap)
        return np.where(self.gap > 0, np.exp(-0.5 * np.minimum(late**2, 700)), 0.0)


def simulation_day(day: int, days: int, now: datetime) -> datetime:
    """Midnight UTC of a day of the simulation; the last day, ``days``, is the one that ``now`` lies in."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - day)


def _softmax(utility: Floats) -> Floats:
    weights = np.exp(utility - utility.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
