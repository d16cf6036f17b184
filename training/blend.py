"""What a placement answers: which models propose, how much each counts, and which ranker puts them in order."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.bundle import Blends, Bundle
from training.candidates.candidate import NONE, Candidates, Mask, proposed
from training.fusion import Blended, blended
from training.interactions import History, Ints
from training.ranker import Ranker

DEPTH: Final = 100
"""Fewest candidates asked of each model, so that a short answer is still agreed on by several."""

RETURNING: Final = "/returning"
"""Ends the name of the blend for somebody who has not clicked on anything in this visit yet."""

_COMES_BACK: Final = {
    "buy_again": 1.0,
    "graph_filter": 0.5,
    "covisitation": 0.2,
    "session_knn": 0.2,
    "new_items": 0.1,
    "popular": 0.02,
}

BLENDS: Final[Blends] = {
    "home": {"session_knn": 1.0, "covisitation": 0.5, "buy_again": 0.1, "new_items": 0.05, "popular": 0.02},
    "product": {"covisitation": 1.0, "session_knn": 0.6, "popular": 0.01},
    "bought-together": {"bought_together": 1.0, "covisitation": 0.1, "popular": 0.005},
    "cart": {"bought_together": 1.0, "covisitation": 0.4, "session_knn": 0.3, "popular": 0.01},
    "category": {"session_knn": 0.6, "covisitation": 0.4, "als": 0.2, "new_items": 0.1, "popular": 0.3},
    "search-empty": {"session_knn": 1.0, "covisitation": 0.5, "als": 0.2, "new_items": 0.1, "popular": 0.1},
    "buy-again": {"buy_again_due": 1.0},
    "email": {
        "session_knn": 0.5,
        "covisitation": 0.5,
        "graph_filter": 0.5,
        "buy_again": 0.3,
        "new_items": 0.1,
        "popular": 0.02,
    },
    "new": {"new_items": 1.0},
    "trending": {"trending": 1.0, "popular": 0.02},
    "home/returning": _COMES_BACK,
    "search-empty/returning": _COMES_BACK,
    "email/returning": _COMES_BACK,
}
"""Placement -> model -> weight. A model that a version does not have is left out of its blends.

On the latest tenth of the sessions of Online Retail, RetailRocket and Serenade the two session models together beat
each blend with a share of ALS or buy-again as large as theirs, so ``home`` gives taste no place and habit a small one.
Who comes back wants something else than to go on with the last visit: there taste and habit count most, as they did
best on the next orders of Online Retail in September and October and of Ta-Feng (``docs/decisions/0009-…``).
New items have as much weight as cost no hit there; what trends cost some everywhere (``docs/decisions/0013-…``).
"""


VISIT: Final = "visit"
ORDER: Final = "order"
RANKED: Final[Mapping[str, str]] = {
    "home": VISIT,
    "home/returning": ORDER,
    "search-empty/returning": ORDER,
    "email/returning": ORDER,
}
"""Blend -> ranker. ``visit`` was taught what a visitor goes to next, ``order`` what a customer who comes back buys."""
TAUGHT_BY: Final[Mapping[str, str]] = {VISIT: "home", ORDER: "home/returning"}
"""Ranker -> the blend whose models propose what it learns to put in order."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one list is made: model -> weight, where there is one the ranker, and another recipe for who comes back."""

    weights: Mapping[str, float]
    ranker: Ranker | None = None
    returning: "Recipe | None" = None

    def at(self, history: History) -> "Recipe":
        """The recipe of this moment: before the first click of a visit the returning one, where there is one."""
        return self if self.returning is None or history.in_session.any() else self.returning

    def answer(
        self, proposals: Mapping[str, Candidates], history: History, n: int, hidden: Ints = NONE.item
    ) -> Blended:
        """The best ``n`` of what the models propose for this history, without the ``hidden`` items."""
        if self.ranker is None:
            return blended(proposals, self.weights, n, hidden)
        return self.ranker.rank(history, proposals, n, hidden)


def blends_of(blends: Blends, models: Collection[str]) -> dict[str, dict[str, float]]:
    """The blends with the models that are there and count; a placement without any is left out."""
    known = {
        placement: {name: weight for name, weight in weights.items() if name in models and weight > 0}
        for placement, weights in blends.items()
    }
    return {placement: weights for placement, weights in known.items() if weights}


def propose(
    bundle: Bundle, placement: str, history: History, n: int, ranked: bool = True, allowed: Mask | None = None
) -> Blended:
    """The best ``n`` candidates for a placement; none where its models know nothing of this history.

    A placement that the bundle does not know is answered like ``home``. Without ``ranked`` the ranker is left out,
    which saves its time. ``allowed``, bool [items]: what may be shown, everything where it is None.
    """
    name = placement if placement in bundle.blends else "home"
    recipe = recipe_of(bundle.blends, bundle.rankers if ranked else {}, name).at(history)
    depth = max(n, DEPTH)
    proposals = {source: proposed(bundle.models[source], history, depth, allowed) for source in recipe.weights}
    if allowed is None:
        return recipe.answer(proposals, history, n)
    every = np.unique(np.concatenate([NONE.item, *(each.item for each in proposals.values())]))
    return recipe.answer(proposals, history, n, hidden=every[~allowed[every]])


def recipe_of(blends: Blends, rankers: Mapping[str, Ranker], placement: str) -> Recipe:
    """The recipe of a placement, of which ``blends`` may hold a second blend for who comes back."""
    back = placement + RETURNING
    returning = Recipe(blends[back], rankers.get(RANKED.get(back, ""))) if back in blends else None
    return Recipe(blends.get(placement, {}), rankers.get(RANKED.get(placement, "")), returning)
