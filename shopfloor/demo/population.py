"""The demo shop's customers: who they are, before they do anything."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from shopfloor.demo.assortment import MARKETS
from shopfloor.demo.catalogue import N_STYLES, Catalogue, Flags, Floats, Ints

MEAN_CHURN: Final = 0.05


@dataclass(frozen=True, slots=True)
class Population:
    """u customers. Days count from the first day of the simulation."""

    taste: Floats
    """[u, c] utility of each leaf category: interests lie in few top categories, finer wishes below them."""
    price_level: Floats
    """[u] how dear, in standard deviations within a category, the customer likes things."""
    price_sense: Floats
    """[u] > 0, how much a price away from that level hurts."""
    style: Floats
    """[u, N_STYLES]"""
    market: Ints
    """[u] position in MARKETS."""
    visits_per_day: Floats
    """[u] while a customer, with a usual visit behind."""
    first_day: Ints
    """[u] first day on which the customer may come."""
    churn: Floats
    """[u] chance of leaving for good after a usual visit."""
    guest: Flags
    """[u] never opens an account."""
    n_devices: Ints
    """[u] 1 to 3; each starts anonymous and is known from its first login on."""

    def __len__(self) -> int:
        return len(self.market)

    @classmethod
    def create(cls, rng: np.random.Generator, catalogue: Catalogue, n_customers: int, days: int) -> Self:
        u = n_customers
        n_roots, n_middles = int(catalogue.root.max()) + 1, int(catalogue.middle.max()) + 1
        interests = np.log(rng.dirichlet(np.full(n_roots, 0.25), size=u) + 0.003)
        middles = rng.normal(0, 1.0, (u, n_middles))
        leaves = rng.normal(0, 0.8, (u, len(catalogue.leaves)))
        churn = np.minimum(rng.exponential(MEAN_CHURN, u), 0.5)
        first_day = np.where(rng.random(u) < 0.6, 0, rng.integers(0, days, u))
        return cls(
            taste=interests[:, catalogue.root] + middles[:, catalogue.middle] + leaves,
            price_level=rng.normal(-0.1, 0.8, u),
            price_sense=rng.lognormal(-0.7, 0.4, u),
            style=rng.normal(0, 0.45, (u, N_STYLES)),
            market=rng.choice(len(MARKETS), size=u, p=[place.share for place in MARKETS]),
            visits_per_day=np.minimum(rng.lognormal(-2.65, 0.9, u), 1.5),
            first_day=first_day,
            churn=churn,
            guest=rng.random(u) < 0.12,
            n_devices=rng.choice([1, 2, 3], size=u, p=[0.6, 0.32, 0.08]),
        )

    def customer_id(self, customer: int) -> str:
        return f"c{10000 + customer}"

    def device_id(self, customer: int, device: int) -> str:
        return f"d{10000 + customer}-{device}"
