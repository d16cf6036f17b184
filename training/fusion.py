"""Fusion: the candidates of several models in one list, by their scores or by their places."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from training.candidates.candidate import Candidates
from training.candidates.compiled import best
from training.interactions import Floats, Ints

RANK_CONSTANT: Final = 10.0
"""What is added to a place in reciprocal rank fusion: the first of a list counts about twice the tenth."""


class Blended(NamedTuple):
    """Best first: ``item`` int32 [c]; ``score`` float32 [c] > 0; ``source``: the strongest model of each item."""

    item: Ints
    score: Floats
    source: tuple[str, ...]


EMPTY: Final = Blended(np.empty(0, np.int32), np.empty(0, np.float32), ())


class Fused(NamedTuple):
    """Candidates with all that their sources say, best first by the agreement of places.

    ``item`` int32 [c]; ``score`` float32 [sources, c], 0 where a source does not propose the item; ``place`` int32
    [sources, c] from 0, -1 where it does not; ``strongest`` int64 [c], the source that speaks most for each.
    """

    item: Ints
    score: Floats
    place: Ints
    strongest: Ints


def blended(proposals: Mapping[str, Candidates], weights: Mapping[str, float], n: int) -> Blended:
    """The best ``n`` by the weighted sum of scores; models without a weight are left out.

    Each model's scores are divided by its best one, so that weights compare models and not their scales.
    """
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


def fused(proposals: Mapping[str, Candidates], weights: Mapping[str, float], n: int, hidden: Ints) -> Fused:
    """The ``n`` items that the sources, in the order of ``weights``, agree on most, without the ``hidden`` ones.

    Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009) with a weight for each source. A source that
    proposes nothing has empty rows.
    """
    lists = [proposals.get(name) for name in weights]
    lengths = [0 if each is None else len(each.item) for each in lists]
    if not sum(lengths):
        nothing = np.empty((len(lists), 0))
        return Fused(EMPTY.item, nothing.astype(np.float32), nothing.astype(np.int32), EMPTY.item)
    every, at = np.unique(np.concatenate([each.item for each in lists if each is not None]), return_inverse=True)
    source = np.repeat(np.arange(len(lists)), lengths)
    place = np.full((len(lists), len(every)), -1, np.int32)
    place[source, at] = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
    score = np.zeros((len(lists), len(every)), np.float32)
    score[source, at] = np.concatenate([each.score for each in lists if each is not None])
    weight = np.array(list(weights.values()))[:, None]
    votes = np.where(place >= 0, weight / (place + RANK_CONSTANT), 0.0)
    agreement = votes.sum(axis=0)
    if len(hidden):
        agreement[np.isin(every, hidden)] = 0.0
    best_first = np.lexsort((every, -agreement))[:n]
    best_first = best_first[agreement[best_first] > 0]
    return Fused(
        every[best_first].astype(np.int32),
        np.ascontiguousarray(score[:, best_first]),
        np.ascontiguousarray(place[:, best_first]),
        votes[:, best_first].argmax(axis=0),
    )
