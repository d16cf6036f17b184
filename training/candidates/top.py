"""The best of a score for every item."""

import numpy as np

from training.candidates.candidate import NONE, Candidates
from training.interactions import Floats


def top(scores: Floats, n: int) -> Candidates:
    """The ``n`` items with the highest positive scores [items], best first, equal ones by number."""
    if n < 1:
        return NONE
    best = np.flatnonzero(scores > 0)  # first, because partitioning a score that is zero almost everywhere takes long
    if n < len(best):
        best = best[np.argpartition(scores[best], -n)[-n:]]
    best = best[np.lexsort((best, -scores[best]))]
    return Candidates(best.astype(np.int32), scores[best].astype(np.float32))
