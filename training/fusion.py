"""Fusion: the candidates of several models in one list, by their scores or by their places."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from training.candidates.candidate import NONE, Candidates
from training.candidates.compiled import best, compiled, slot_of, table_size
from training.interactions import Floats, Ints, Longs

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
    strongest: Longs


def blended(
    proposals: Mapping[str, Candidates], weights: Mapping[str, float], n: int, hidden: Ints = NONE.item
) -> Blended:
    """The best ``n`` by the weighted sum of scores, without the ``hidden`` items; models without a weight are left out.

    Each model's scores are divided by its best one, hidden or not, so that weights compare models and not their scales.
    """
    names = [name for name in weights if name in proposals and len(proposals[name].item)]
    if not names or n < 1:
        return EMPTY
    items = [proposals[name].item for name in names]
    scores = [proposals[name].score * np.float32(weights[name] / proposals[name].score[0]) for name in names]
    every, place = np.unique(np.concatenate(items), return_inverse=True)
    share = np.zeros((len(names), len(every)), np.float32)
    share[np.repeat(np.arange(len(names)), [len(part) for part in items]), place] = np.concatenate(scores)
    if len(hidden):
        kept = np.isin(every, hidden, invert=True)
        every, share = every[kept], share[:, kept]
    item, score = best(every, share.sum(axis=0), n)
    strongest = share.argmax(axis=0)[np.searchsorted(every, item)]
    return Blended(item, score, tuple(names[index] for index in strongest))


def fused(proposals: Mapping[str, Candidates], weights: Mapping[str, float], n: int, hidden: Ints) -> Fused:
    """The ``n`` items that the sources, in the order of ``weights``, agree on most, without the ``hidden`` ones.

    Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009) with a weight for each source. A source that
    proposes nothing has empty rows.
    """
    lists = [proposals.get(name, NONE) for name in weights]
    return Fused(
        *_agreed(
            np.concatenate([each.item for each in lists]),
            np.concatenate([each.score for each in lists]),
            np.array([len(each.item) for each in lists]),
            np.array(list(weights.values()), np.float64),
            hidden,
            n,
        )
    )


@compiled
def _agreed(
    items: Ints, scores: Floats, lengths: Longs, weights: npt.NDArray[np.float64], hidden: Ints, n: int
) -> tuple[Ints, Floats, Ints, Longs]:
    """The fields of ``Fused``, from the sources' lists one behind the other."""
    keys = np.zeros(table_size(len(items)), np.int32)
    index_of = np.empty(len(keys), np.int64)
    every = np.empty(len(items), np.int32)
    score = np.zeros((len(lengths), len(items)), np.float32)
    place = np.full((len(lengths), len(items)), -1, np.int32)
    agreement, most = np.zeros(len(items)), np.zeros(len(items))
    strongest = np.zeros(len(items), np.int64)
    found, row = 0, 0
    for source in range(len(lengths)):
        for at in range(lengths[source]):
            slot = slot_of(keys, items[row])
            if keys[slot] == 0:
                keys[slot], index_of[slot] = items[row] + 1, found
                every[found] = items[row]
                found += 1
            index = index_of[slot]
            score[source, index], place[source, index] = scores[row], at
            vote = weights[source] / (at + RANK_CONSTANT)
            agreement[index] += vote
            if vote > most[index]:
                most[index], strongest[index] = vote, source
            row += 1
    for item in hidden:
        slot = slot_of(keys, item)
        if keys[slot] != 0:
            agreement[index_of[slot]] = 0.0
    by_item = np.argsort(every[:found])
    order = by_item[np.argsort(-agreement[by_item], kind="mergesort")][:n]
    order = order[agreement[order] > 0]
    return every[order], score[:, order], place[:, order], strongest[order]
