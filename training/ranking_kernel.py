"""The compiled loop that writes the ranker's rows, column by column in the order of ``feature_names``."""

from typing import Final

import numpy as np
import numpy.typing as npt

from training.candidates.compiled import compiled, reordered
from training.interactions import Codes, Floats, Ints, Longs

ASKED: Final = 10
"""Last interactions of the history that a candidate is compared with."""


@compiled
def _find(pair_start: Longs, pair_item: Ints, source: int, target: int) -> int:
    """Where the pair stands; -1 where it does not."""
    low, high = pair_start[source], pair_start[source + 1]
    end = high
    while low < high:
        middle = (low + high) // 2
        if pair_item[middle] < target:
            low = middle + 1
        else:
            high = middle
    return low if low < end and pair_item[low] == target else -1


@reordered
def _inner(vector: Floats, one: int, other: int) -> np.float32:
    """The inner product of two rows. NumPy's would ask BLAS, whose call takes longer than 48 products."""
    total = np.float32(0.0)
    for column in range(vector.shape[1]):
        total += vector[one, column] * vector[other, column]
    return total


@compiled
def rows_of(  # noqa: PLR0912, PLR0915  # one pass over one row; compiled code in pieces would pass a dozen arrays along
    known: Ints,
    kind: Codes,
    time: Longs,
    in_session: npt.NDArray[np.bool_],
    item: Ints,
    score: Floats,
    place: Ints,
    of_item: Floats,
    n_next: Floats,
    pair_start: Longs,
    pair_item: Ints,
    direct: Floats,
    near: Floats,
    pair_age: Floats,
    vector: Floats,
    category: Ints,
    parent: Ints,
    category_count: Floats,
    category_start: Longs,
    category_next: Ints,
    category_near: Floats,
) -> Floats:
    """See ``Signals.features``; ``known`` is the history, oldest first."""
    n_sources, n_known = len(score), len(known)
    n_item_columns = of_item.shape[1]
    rows = np.zeros((len(item), 3 * n_sources + 1 + n_item_columns + 11 + 3 + 8 + 6 + 6), np.float32)
    top = np.zeros(n_sources, np.float32)
    for source in range(n_sources):
        for index in range(len(item)):
            top[source] = max(top[source], score[source, index])
    visit_length, visit_items = 0, 0
    for at in range(n_known):
        if in_session[at]:
            visit_length += 1
            again = False
            for other in range(at):
                again |= in_session[other] and known[other] == known[at]
            visit_items += not again
    pause = np.log1p(max(time[-1] - time[-2], 0) / 60.0) if n_known > 1 else -1.0
    for index in range(len(item)):
        candidate = item[index]
        row = rows[index]
        column = 0
        proposed = 0
        for source in range(n_sources):
            if place[source, index] >= 0:
                row[column] = score[source, index]
                row[column + 1] = score[source, index] / top[source]
                row[column + 2] = 1.0 / (1.0 + place[source, index])
                proposed += 1
            column += 3
        row[column] = proposed
        column += 1
        row[column : column + n_item_columns] = of_item[candidate]
        column += n_item_columns

        row[column + 4] = 99.0
        weight = np.float32(1.0)
        for back in range(min(n_known, ASKED)):
            source = known[n_known - 1 - back]
            forth = _find(pair_start, pair_item, source, candidate)
            home = _find(pair_start, pair_item, candidate, source)
            near_share = near[forth] / (n_next[source] + 3.0) if forth >= 0 else 0.0
            back_share = near[home] / (n_next[candidate] + 3.0) if home >= 0 else 0.0
            if back == 0:
                if forth >= 0:
                    row[column] = direct[forth] / (n_next[source] + 3.0)
                    row[column + 1] = direct[forth]
                    row[column + 4] = pair_age[forth]
                row[column + 2] = near_share
                row[column + 3] = back_share
            elif back == 1:
                row[column + 5] = near_share
                row[column + 6] = back_share
            row[column + 7] += weight * near_share
            row[column + 8] += weight * back_share
            row[column + 9] = max(row[column + 9], near_share)
            row[column + 10] += forth >= 0 or home >= 0
            weight *= np.float32(0.8)
        column += 11

        weight, total = np.float32(1.0), np.float32(0.0)
        for back in range(min(n_known, ASKED)):
            alike = _inner(vector, known[n_known - 1 - back], candidate)
            if back == 0:
                row[column] = alike
            row[column + 1] += weight * alike
            row[column + 2] = max(row[column + 2], alike if known[n_known - 1 - back] != candidate else np.float32(0.0))
            total += weight
            weight *= np.float32(0.8)
        row[column + 1] /= max(total, np.float32(1.0))
        column += 3

        own, weight, total = category[candidate], np.float32(1.0), np.float32(0.0)
        for back in range(min(n_known, ASKED)):
            other = known[n_known - 1 - back]
            if category[other] >= 0:
                same = own == category[other]
                same_parent = parent[candidate] >= 0 and parent[candidate] == parent[other]
                if back == 0:
                    row[column] = same
                    row[column + 1] = same_parent
                row[column + 2] += weight * same
                row[column + 3] += weight * same_parent
                row[column + 7] += same
                total += weight
                if own >= 0:
                    pair = _find(category_start, category_next, category[other], own)
                    if pair >= 0:
                        row[column + 4] += weight * category_near[pair] / (category_count[category[other]] + 10.0)
            weight *= np.float32(0.8)
        if total > 0:
            row[column + 2] /= total
            row[column + 3] /= total
            row[column + 4] /= total
        if own >= 0:
            row[column + 5] = np.log1p(category_count[own])
            row[column + 6] = np.expm1(of_item[candidate, 0]) / (category_count[own] + 5.0)
        column += 8

        row[column + 2] = 99.0
        row[column + 3] = 99.0
        for at in range(n_known):
            if known[at] == candidate:
                row[column] += in_session[at]
                row[column + 1] += 1
                row[column + 2] = n_known - 1 - at
                row[column + 3] = np.log1p(max(time[-1] - time[at], 0) / 3600.0)
                row[column + 4] = at == n_known - 1
                row[column + 5] = max(row[column + 5], kind[at])
        column += 6

        row[column] = visit_length
        row[column + 1] = visit_items
        row[column + 2] = n_known
        row[column + 3] = pause
        row[column + 4] = kind[-1] if n_known else 0
        row[column + 5] = of_item[known[-1], 0] if n_known else 0.0
    return rows
