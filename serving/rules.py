"""What the shop decides over the ranking: pinned items first, no category that crowds out the rest, no near-copies."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from training.interactions import Floats


class Candidate(NamedTuple):
    """An item that may be shown: ``score`` is comparable within one answer, ``source`` names who proposed it."""

    item_id: str
    score: float
    source: str
    item: int = -1
    """Position in the model's vocabulary; -1 for an item that the model does not know."""


def spread(
    ranked: Sequence[Candidate], limit: int, category_of: Callable[[str], str | None], share: float
) -> list[Candidate]:
    """The best ``limit``, of which no category takes more than ``share``, rounded up.

    Candidates over the share come last and only where nothing else is left; items without a category are free.
    """
    most = math.ceil(limit * share)
    taken: Counter[str] = Counter()
    chosen: list[Candidate] = []
    postponed: list[Candidate] = []
    for candidate in ranked:
        category = category_of(candidate.item_id)
        if category is not None and taken[category] >= most:
            postponed.append(candidate)
            continue
        if category is not None:
            taken[category] += 1
        chosen.append(candidate)
        if len(chosen) == limit:
            return chosen
    return chosen + postponed[: limit - len(chosen)]


def varied(score: Floats, alike: Floats, n: int, weight: float) -> list[int]:
    """The order of candidates, best first, in which an item loses by its likeness to those before it.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each of the first ``n`` places goes to the
    highest score, relative to the best one, less ``weight`` times the likeness to the most alike item chosen; the
    others follow as they were. ``score`` [c] > 0, best first; ``alike`` [c, c], at most 1.
    """
    worth = score / score[0] if len(score) else score
    penalty, loss = weight * alike, np.zeros(len(score), np.float32)
    order: list[int] = []
    for _ in range(min(n, len(score))):
        best = int((worth - loss).argmax())
        order.append(best)
        worth[best] = -np.inf
        np.maximum(loss, penalty[best], out=loss)
    return order + np.flatnonzero(worth > -np.inf).tolist()
