"""Exploration: now and then an answer swaps two of its candidates, so that logs can tell what other orders would earn.

At most one swap an answer: one of the places that are free, drawn evenly, gets one of the other candidates, drawn
evenly from those shown and from the best that were not shown. The probabilities of all outcomes are known in closed
form, so each exposure carries the exact probability that its item stands at its position.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


def explored(
    chosen: Sequence[T], reserve: Sequence[T], fixed: int, share: float, rng: Random
) -> tuple[list[T], list[float]]:
    """``chosen``, of which the first ``fixed`` stay, with each other place explored with probability ``share``.

    ``reserve``: the candidates below the chosen ones. Returns what is shown and, for each place, the probability in
    (0, 1] that it shows what it does. One swap reaches a place with probability ``touch`` at most, so a larger share
    than that is cut to it.
    """
    places, pool = len(chosen) - fixed, len(chosen) - fixed + len(reserve)
    shown, propensities = list(chosen), [1.0] * len(chosen)
    if share <= 0 or places < 1 or pool < 2:
        return shown, propensities
    one_swap = 1 / (places * (pool - 1))
    touch = 1 / places + (places - 1) * one_swap
    swapping = min(share / touch, 1.0)
    propensities[fixed:] = [1 - swapping * touch] * places
    if rng.random() >= swapping:
        return shown, propensities
    place, other = rng.randrange(places), rng.randrange(pool - 1)
    other += other >= place
    both = other < places  # the same two places change whichever of them is drawn first
    shown[fixed + place] = chosen[fixed + other] if both else reserve[other - places]
    propensities[fixed + place] = swapping * one_swap * (2 if both else 1)
    if both:
        shown[fixed + other] = chosen[fixed + place]
        propensities[fixed + other] = swapping * one_swap * 2
    return shown, propensities
