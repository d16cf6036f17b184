"""What the shop decides over the ranking: pinned items first, and no category that crowds out the rest."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple


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
