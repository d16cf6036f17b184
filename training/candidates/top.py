"""The best of a score for every item."""

from training.candidates.candidate import NONE, Candidates
from training.candidates.compiled import highest
from training.interactions import Floats


def top(scores: Floats, n: int) -> Candidates:
    """The ``n`` items with the highest positive scores [items], best first, equal ones by number."""
    return Candidates(*highest(scores, n)) if n > 0 else NONE
