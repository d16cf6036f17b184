"""The blend: candidates of several models for one placement, in one list.

Each model's scores are divided by its best one, so that weights compare models and not their scales.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from feature_repo.activity import Kind
from training.bundle import Blends, Bundle
from training.candidates.candidate import CandidateModel, Candidates
from training.candidates.compiled import best
from training.interactions import Floats, History, Ints

DEPTH: Final = 100
"""Fewest candidates asked of each model, so that a short answer is still agreed on by several."""

RETURNING: Final = "/returning"
"""Ends the name of the blend for somebody who has not clicked on anything in this visit yet."""

_COMES_BACK: Final = {
    "buy_again": 1.0,
    "graph_filter": 0.5,
    "als": 0.5,
    "covisitation": 0.2,
    "session_knn": 0.2,
    "popular": 0.02,
}

BLENDS: Final[Blends] = {
    "home": {"session_knn": 1.0, "covisitation": 0.5, "buy_again": 0.1, "popular": 0.02},
    "product": {"covisitation": 1.0, "session_knn": 0.6, "popular": 0.01},
    "bought-together": {"bought_together": 1.0, "covisitation": 0.1, "popular": 0.005},
    "cart": {"bought_together": 1.0, "covisitation": 0.4, "session_knn": 0.3, "popular": 0.01},
    "category": {"session_knn": 0.6, "covisitation": 0.4, "als": 0.2, "popular": 0.3},
    "search-empty": {"session_knn": 1.0, "covisitation": 0.5, "als": 0.2, "popular": 0.1},
    "buy-again": {"buy_again": 1.0},
    "email": {"session_knn": 0.5, "covisitation": 0.5, "graph_filter": 0.5, "buy_again": 0.3, "popular": 0.02},
    "home/returning": _COMES_BACK,
    "search-empty/returning": _COMES_BACK,
    "email/returning": _COMES_BACK,
}
"""Placement -> model -> weight. A model that a version does not have is left out of its blends.

On the latest tenth of the sessions of Online Retail, RetailRocket and Serenade the two session models together beat
each blend with a share of ALS or buy-again as large as theirs, so ``home`` gives taste no place and habit a small one.
Who comes back wants something else than to go on with the last visit: there taste and habit count most, as they did
best on the next orders of Online Retail in September and October and of Ta-Feng (``docs/decisions/0009-…``).
"""


class Blended(NamedTuple):
    """Best first: ``item`` int32 [c]; ``score`` float32 [c] > 0; ``source``: the strongest model of each item."""

    item: Ints
    score: Floats
    source: tuple[str, ...]


EMPTY: Final = Blended(np.empty(0, np.int32), np.empty(0, np.float32), ())


def blends_of(models: Mapping[str, CandidateModel]) -> dict[str, dict[str, float]]:
    """The blends with the models that are there; a placement without any is left out."""
    known = {
        placement: {name: weight for name, weight in weights.items() if name in models}
        for placement, weights in BLENDS.items()
    }
    return {placement: weights for placement, weights in known.items() if weights}


def propose(bundle: Bundle, placement: str, history: History, n: int) -> Blended:
    """The best ``n`` candidates for a placement; none where its models know nothing of this history.

    A placement that the bundle does not know is answered like ``home``.
    """
    weights = weights_for(bundle.blends, placement, history)
    return blended({name: bundle.models[name].propose(history, max(n, DEPTH)) for name in weights}, weights, n)


def weights_for(blends: Blends, placement: str, history: History) -> Mapping[str, float]:
    """Model -> weight for this moment: within a visit the placement's own, before its first click the returning ones.

    A placement that the blends do not know is answered like ``home``, and one without returning weights always alike.
    """
    name = placement if placement in blends else "home"
    own = blends.get(name, {})
    return own if history.in_session.any() else blends.get(name + RETURNING, own)


def blended(proposals: Mapping[str, Candidates], weights: Mapping[str, float], n: int) -> Blended:
    """The best ``n`` of what several models proposed; models without a weight are left out."""
    names = [name for name in weights if name in proposals and len(proposals[name].item)]
    if not names or n < 1:
        return EMPTY
    items = [proposals[name].item for name in names]
    scores = [proposals[name].score * np.float32(weights[name] / proposals[name].score[0]) for name in names]
    every, place = np.unique(np.concatenate(items), return_inverse=True)
    share = np.zeros((len(names), len(every)), np.float32)
    share[np.repeat(np.arange(len(names)), [len(part) for part in items]), place] = np.concatenate(scores)
    item, score = best(every, share.sum(axis=0), n)
    strongest = share.argmax(axis=0)[np.searchsorted(every, item)]
    return Blended(item, score, tuple(names[index] for index in strongest))


def because(bundle: Bundle, blended: Blended, history: History, index: int) -> int | None:
    """The item of the history for which candidate ``index`` was proposed; None when no single one speaks for it."""
    position = bundle.models[blended.source[index]].because(history, int(blended.item[index]))
    return None if position is None else int(history.item[position])


def warm(bundle: Bundle) -> None:
    """Ask everything once, so that compiling and the first reads of mapped files happen before a customer waits."""
    history = History.of(range(min(3, len(bundle.item_ids))), Kind.BUY)
    for placement in bundle.blends:
        blended = propose(bundle, placement, history, 20)
        for index in range(len(blended.item)):
            because(bundle, blended, history, index)
