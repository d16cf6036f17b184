"""The demo shop: a synthetic shop with a known truth, the same for the same seed, scale and ``now``."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import numpy as np

from ingestion.contracts.product import Product
from ingestion.contracts.taxonomy import Category
from shopfloor.demo.behaviour import Behaviour
from shopfloor.demo.catalogue import Catalogue
from shopfloor.demo.events import Storyteller
from shopfloor.demo.mishaps import Delivery, delivered, in_order
from shopfloor.demo.population import Population
from shopfloor.demo.visits import visits

PRODUCTS = 2_000
CUSTOMERS = 3_000
DAYS = 60


@dataclass(frozen=True, slots=True)
class DemoShop:
    """``behaviour`` is the truth: what customers choose and why, apart from how their events are told and arrive."""

    seed: int
    catalogue: Catalogue
    population: Population
    behaviour: Behaviour

    @classmethod
    def create(cls, seed: int, scale: float = 1.0, days: int = DAYS) -> Self:
        """A shop of 2,000 products and 3,000 customers at ``scale`` 1; customers grow with it, products with its root.

        ``days`` is how long the history is; at scale 1 and 60 days it holds some 110,000 events.
        """
        catalogue = Catalogue.create(np.random.default_rng([seed, 1]), round(PRODUCTS * scale**0.5))
        customers = max(round(CUSTOMERS * scale), 1)
        population = Population.create(np.random.default_rng([seed, 2]), catalogue, customers, days)
        return cls(seed, catalogue, population, Behaviour.of(catalogue, population, days))

    def categories(self) -> list[Category]:
        return list(self.catalogue.categories())

    def products(self, now: datetime) -> Iterator[Product]:
        """One record for each product and market that sells it."""
        return self.catalogue.products(now)

    def events(self, now: datetime) -> Iterator[Delivery]:
        """The history up to ``now`` (with zone), in the order in which it reached the log."""
        return in_order(self._days(now), now.timestamp())

    def _days(self, now: datetime) -> Iterator[tuple[float, list[Delivery]]]:
        storyteller = Storyteller(self.behaviour, np.random.default_rng([self.seed, 4]))
        on_the_way = np.random.default_rng([self.seed, 5])
        count = 0
        for day in visits(self.behaviour, np.random.default_rng([self.seed, 3]), now):
            batch = list(delivered(storyteller.tell(day), on_the_way, count))
            count += len(batch)
            yield day.midnight.timestamp(), batch
