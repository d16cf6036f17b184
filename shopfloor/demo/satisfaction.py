"""How good a visit was: whether something was found, how soon, and how well what was looked at suits the customer."""

from typing import Final

import numpy as np

from shopfloor.demo.behaviour import Behaviour
from shopfloor.demo.catalogue import Flags, Floats, Ints

FOUND: Final = 1.6
SEARCH: Final = 0.25
RELEVANCE: Final = 0.8
INTERCEPT: Final = -0.1


def satisfaction(behaviour: Behaviour, customers: Ints, viewed: Ints, carted: Flags) -> Floats:
    """[v] in [0, 1] of visits that looked at ``viewed`` [v, w], -1 after the last, and put ``carted`` in the cart.

    A logistic of three things: whether anything was found worth the cart, how many products were looked at before it
    (or in vain), and the mean fit of what was looked at.
    """
    seen = viewed >= 0
    looks = seen.sum(axis=1)
    found = carted.any(axis=1)
    searched = np.where(found, carted.argmax(axis=1), looks)
    suits = np.where(seen, behaviour.fit(customers, np.maximum(viewed, 0)), 0.0).sum(axis=1) / np.maximum(looks, 1)
    return np.asarray(1 / (1 + np.exp(-(INTERCEPT + FOUND * found - SEARCH * searched + RELEVANCE * suits))))
