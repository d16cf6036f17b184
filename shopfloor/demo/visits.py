"""Visits drawn from the behaviour model, one day after the other.

Luck is drawn for every customer and day, whether or not they come, so that two shops that differ only in what they
show meet the same customers with the same luck: their difference is what the showing makes (common random numbers).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self

import numpy as np
from scipy.special import ndtri

from shopfloor.demo.behaviour import CHECKOUT, LOOK_AGAIN, Behaviour, Memory, simulation_day
from shopfloor.demo.catalogue import Flags, Floats, Ints
from shopfloor.demo.satisfaction import satisfaction

MAX_VIEWS = 14
MEAN_FURTHER_VIEWS = 3.0


@dataclass(frozen=True, slots=True)
class DayOfVisits:
    """v visits of one day; a visit views up to MAX_VIEWS products, -1 after the last."""

    midnight: datetime
    customer: Ints
    """[v]"""
    start: Floats
    """[v] seconds after midnight."""
    item: Ints
    """[v, MAX_VIEWS] product viewed."""
    came_from: Ints
    """[v, MAX_VIEWS] 0 a fresh wish (searched or from the menu), 1 went on in or from the category, 2 looked again,
    3 took from what the shop showed first."""
    carted: Flags
    """[v, MAX_VIEWS]"""
    bought: Flags
    """[v] the visit ends with the purchase of what is in the cart."""

    satisfaction: Floats
    """[v] in [0, 1]"""


FRESH, WENT_ON, AGAIN, SHOWN = 0, 1, 2, 3
NOTICE_NEXT: Final = 0.85
"""Each further place of a list is noticed so much less."""
TEMPTATION: Final = 2.5
"""What a product at the first place gains over having to be looked for."""

Showing = Callable[[Ints, Floats, int, datetime], Ints]
"""What the shop shows first to customers [v] who come at seconds [v] after the midnight of a day: items [v, l], best
first, -1 where a list is shorter."""


class Luck(NamedTuple):
    """Numbers in [0, 1), a row for each visitor."""

    visit: Floats
    """[v, 8]: comes, stays, when, when, first category, buys, leaves, what is shown"""
    view: Floats
    """[MAX_VIEWS, v, 5]: category, product, looks again, at which, cart"""

    @classmethod
    def draw(cls, rng: np.random.Generator, n: int) -> Self:
        return cls(rng.random((n, 8)), rng.random((MAX_VIEWS, n, 5)))

    def of(self, customers: Ints) -> Self:
        return type(self)(self.visit[customers], self.view[:, customers])


def visits(
    behaviour: Behaviour, rng: np.random.Generator, now: datetime, showing: Showing | None = None
) -> Iterator[DayOfVisits]:
    """All visits up to the day of ``now``; what happens on one day is remembered on the next.

    ``showing`` is asked once a day, after the visits of the days before were given.
    """
    memory = Memory.blank(len(behaviour.population), len(behaviour.catalogue.leaves))
    for day in range(behaviour.days + 1):
        midnight = simulation_day(day, behaviour.days, now)
        chance = behaviour.visit_probability(day, midnight.weekday() >= 5, memory)
        luck = Luck.draw(rng, len(chance))
        customers = np.flatnonzero(luck.visit[:, 0] < chance)
        if len(customers):
            visit = _walk(behaviour, luck.of(customers), customers, day, midnight, memory, showing)
            _remember(behaviour, memory, visit, day, luck.visit[customers, 6])
            yield visit


def _walk(
    behaviour: Behaviour,
    luck: Luck,
    customers: Ints,
    day: int,
    midnight: datetime,
    memory: Memory,
    showing: Showing | None,
) -> DayOfVisits:
    v = len(customers)
    further = np.log1p(-luck.visit[:, 1]) / np.log1p(-1 / (1 + MEAN_FURTHER_VIEWS))
    length = np.minimum(further.astype(np.int64) + 1, MAX_VIEWS)
    hour = np.where(luck.visit[:, 2] < 0.4, 11.5, 18.5) + 2.3 * ndtri(np.maximum(luck.visit[:, 3], 1e-12))
    start = np.clip(hour, 0.1, 23.5) * 3600
    item = np.full((v, MAX_VIEWS), -1, dtype=np.int64)
    came_from = np.zeros((v, MAX_VIEWS), dtype=np.int64)
    carted = np.zeros((v, MAX_VIEWS), dtype=np.bool_)
    fresh = behaviour.leaf_probabilities(customers, day, midnight, memory)
    leaf = _draw(luck.visit[:, 4], fresh)
    for step in range(int(length.max())):
        on = np.flatnonzero(length > step)
        chances = luck.view[step, on]
        if step:
            wish = behaviour.next_leaf_probabilities(leaf[on], fresh[on])
            before, leaf[on] = leaf[on], _draw(chances[:, 0], wish)
            followed = (leaf[on] == before) | (behaviour.catalogue.goes_with[before, leaf[on]] > 0)
            came_from[on, step] = np.where(followed, WENT_ON, FRESH)
        column = _draw(chances[:, 1], behaviour.item_probabilities(customers[on], leaf[on], day, memory))
        item[on, step] = behaviour.items_of_leaf[leaf[on], column]
        if step == 0 and showing is not None:
            shown = showing(customers, start, day, midnight)
            chosen = _chosen(behaviour, customers, shown, fresh, day, memory, luck.visit[:, 7])
            took = np.flatnonzero(chosen >= 0)
            item[took, 0], came_from[took, 0] = chosen[took], SHOWN
            leaf[took] = behaviour.catalogue.leaf[chosen[took]]
        if step >= 2:
            again = chances[:, 2] < LOOK_AGAIN
            back = on[again]
            item[back, step] = item[back, (chances[again, 3] * (step - 1)).astype(np.int64)]
            leaf[back] = behaviour.catalogue.leaf[item[back, step]]
            came_from[back, step] = AGAIN
        chance = behaviour.cart_probabilities(customers[on], item[on, step], day, memory)
        carted[on, step] = chances[:, 4] < chance * (1 + (came_from[on, step] == AGAIN))
    return DayOfVisits(
        midnight=midnight,
        customer=customers,
        start=start,
        item=item,
        came_from=came_from,
        carted=carted,
        bought=carted.any(axis=1) & (luck.visit[:, 5] < CHECKOUT),
        satisfaction=satisfaction(behaviour, customers, item, carted),
    )


def _chosen(
    behaviour: Behaviour, customers: Ints, shown: Ints, fresh: Floats, day: int, memory: Memory, luck: Floats
) -> Ints:
    """[v] the product of the list ``shown`` [v, l] that is looked at first, -1 for what was looked for without it.

    A logit between the list and one's own way: a product weighs TEMPTATION times its chance to be looked at anyway,
    less for each place further down.
    """
    weight = np.zeros(shown.shape)
    row, place = np.nonzero(shown >= 0)
    item = shown[row, place]
    leaf = behaviour.catalogue.leaf[item]
    within = behaviour.item_probabilities(customers[row], leaf, day, memory)
    column = (behaviour.items_of_leaf[leaf] == item[:, None]).argmax(axis=1)
    wanted = fresh[row, leaf] * within[np.arange(len(item)), column]
    weight[row, place] = TEMPTATION * NOTICE_NEXT**place * wanted
    edges = weight.cumsum(axis=1)
    drawn = luck * (1 + edges[:, -1])
    place = (edges <= drawn[:, None]).sum(axis=1)
    took = place < shown.shape[1]
    return np.where(took, shown[np.arange(len(shown)), np.minimum(place, shown.shape[1] - 1)], -1)


def _remember(behaviour: Behaviour, memory: Memory, visit: DayOfVisits, day: int, luck: Floats) -> None:
    row, column = np.nonzero(visit.carted & visit.bought[:, None])
    items = visit.item[row, column]
    where = visit.customer[row], behaviour.catalogue.leaf[items]
    memory.day[where] = day
    memory.item[where] = items
    memory.satisfaction[visit.customer] = visit.satisfaction
    memory.gone[visit.customer] = luck < behaviour.leave_probabilities(visit.customer, visit.satisfaction)


def _draw(luck: Floats, probabilities: Floats) -> Ints:
    """One column for each row."""
    edges = probabilities.cumsum(axis=1)
    drawn = (edges < (luck * edges[:, -1])[:, None]).sum(axis=1)
    return np.asarray(drawn, dtype=np.int64)
