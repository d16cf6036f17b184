"""Visits drawn from the behaviour model, one day after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from shopfloor.demo.behaviour import CHECKOUT, LOOK_AGAIN, Behaviour, Memory, simulation_day
from shopfloor.demo.catalogue import Flags, Floats, Ints

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
    """[v, MAX_VIEWS] 0 a fresh wish (searched or from the menu), 1 went on in or from the category, 2 looked again."""
    carted: Flags
    """[v, MAX_VIEWS]"""
    bought: Flags
    """[v] the visit ends with the purchase of what is in the cart."""


FRESH, WENT_ON, AGAIN = 0, 1, 2


def visits(behaviour: Behaviour, rng: np.random.Generator, now: datetime) -> Iterator[DayOfVisits]:
    """All visits up to the day of ``now``; what is bought on one day is remembered on the next."""
    memory = Memory.blank(len(behaviour.population), len(behaviour.catalogue.leaves))
    for day in range(behaviour.days + 1):
        midnight = simulation_day(day, behaviour.days, now)
        chance = behaviour.visit_probability(day, midnight.weekday() >= 5, memory)
        customers = np.flatnonzero(rng.random(len(chance)) < chance)
        if len(customers):
            visit = _walk(behaviour, rng, customers, day, midnight, memory)
            _remember(behaviour, memory, visit, day)
            yield visit


def _walk(
    behaviour: Behaviour, rng: np.random.Generator, customers: Ints, day: int, midnight: datetime, memory: Memory
) -> DayOfVisits:
    v = len(customers)
    length = np.minimum(rng.geometric(1 / (1 + MEAN_FURTHER_VIEWS), v), MAX_VIEWS)
    item = np.full((v, MAX_VIEWS), -1, dtype=np.int64)
    came_from = np.zeros((v, MAX_VIEWS), dtype=np.int64)
    carted = np.zeros((v, MAX_VIEWS), dtype=np.bool_)
    fresh = behaviour.leaf_probabilities(customers, day, midnight, memory)
    leaf = _draw(rng, fresh)
    for step in range(int(length.max())):
        on = np.flatnonzero(length > step)
        if step:
            wish = behaviour.next_leaf_probabilities(leaf[on], fresh[on])
            before, leaf[on] = leaf[on], _draw(rng, wish)
            followed = (leaf[on] == before) | (behaviour.catalogue.goes_with[before, leaf[on]] > 0)
            came_from[on, step] = np.where(followed, WENT_ON, FRESH)
        column = _draw(rng, behaviour.item_probabilities(customers[on], leaf[on], day, memory))
        item[on, step] = behaviour.items_of_leaf[leaf[on], column]
        if step >= 2:
            back = on[rng.random(len(on)) < LOOK_AGAIN]
            item[back, step] = item[back, rng.integers(0, step - 1, len(back))]
            leaf[back] = behaviour.catalogue.leaf[item[back, step]]
            came_from[back, step] = AGAIN
        chance = behaviour.cart_probabilities(customers[on], item[on, step], day, memory)
        carted[on, step] = rng.random(len(on)) < chance * (1 + (came_from[on, step] == AGAIN))
    start = np.clip(rng.normal(np.where(rng.random(v) < 0.4, 11.5, 18.5), 2.3, v), 0.1, 23.5) * 3600
    return DayOfVisits(
        midnight=midnight,
        customer=customers,
        start=start,
        item=item,
        came_from=came_from,
        carted=carted,
        bought=carted.any(axis=1) & (rng.random(v) < CHECKOUT),
    )


def _remember(behaviour: Behaviour, memory: Memory, visit: DayOfVisits, day: int) -> None:
    row, column = np.nonzero(visit.carted & visit.bought[:, None])
    items = visit.item[row, column]
    where = visit.customer[row], behaviour.catalogue.leaf[items]
    memory.day[where] = day
    memory.item[where] = items


def _draw(rng: np.random.Generator, probabilities: Floats) -> Ints:
    """One column for each row."""
    edges = probabilities.cumsum(axis=1)
    drawn = (edges < rng.random((len(edges), 1)) * edges[:, -1:]).sum(axis=1)
    return np.asarray(drawn, dtype=np.int64)
