"""The compiled inner loops of session kNN: single-threaded, no shared state, so that several callers may run them.

Sessions and items found by a query are counted in hash tables of the query's own size, not in arrays over all
sessions: a query's cost and memory follow what it touches.
"""

import numpy as np
import numpy.typing as npt

from training.candidates.compiled import compiled, slot_of, summed, table_size
from training.interactions import Floats, Ints

Longs = npt.NDArray[np.int64]


@compiled
def index_sessions(start: Longs, item: Ints, n_items: int, most: int) -> tuple[Longs, Ints, Ints, Longs]:
    """For each item its ``most`` most recent sessions, newest first: starts, sessions, places, and the true counts."""
    frequency = np.zeros(n_items, np.int64)
    for i in item:
        frequency[i] += 1
    item_start = np.zeros(n_items + 1, np.int64)
    for i in range(n_items):
        item_start[i + 1] = item_start[i] + min(frequency[i], most)
    session_of = np.empty(item_start[n_items], np.int32)
    place_of = np.empty(item_start[n_items], np.int32)
    filled = np.zeros(n_items, np.int64)
    for session in range(len(start) - 2, -1, -1):
        for at in range(start[session], start[session + 1]):
            i = item[at]
            if filled[i] < most:
                slot = item_start[i] + filled[i]
                session_of[slot] = session
                place_of[slot] = at - start[session]
                filled[i] += 1
    return item_start, session_of, place_of, frequency


@compiled
def vote(
    clicks: Ints,
    click_weight: Floats,
    match_weight: Floats,
    session_start: Longs,
    session_item: Ints,
    item_start: Longs,
    item_session: Ints,
    item_place: Ints,
    session_weight: Floats,
    item_weight: Floats,
    m: int,
    k: int,
    neighbour_scale: float,
    without: int,
    n: int,
) -> tuple[Ints, Floats]:
    """The ``n`` best items but ``without``, best first, equal scores by item number. ``clicks`` are newest first."""
    touched = 0
    for click in clicks:
        touched += min(item_start[click + 1] - item_start[click], m)
    keys = np.zeros(table_size(touched), np.int32)
    similarity = np.empty(len(keys), np.float32)
    newest_match = np.empty(len(keys), np.int32)
    match_place = np.empty(len(keys), np.int32)
    found = np.empty(touched, np.int32)
    n_found = 0
    for position in range(len(clicks)):
        first = item_start[clicks[position]]
        for at in range(first, min(item_start[clicks[position] + 1], first + m)):
            session = item_session[at]
            slot = slot_of(keys, session)
            if keys[slot] == 0:
                keys[slot] = session + 1
                similarity[slot] = 0.0
                newest_match[slot] = position
                match_place[slot] = item_place[at]
                found[n_found] = session
                n_found += 1
            similarity[slot] += click_weight[position]
    neighbours = found[:n_found]
    if n_found > m:
        oldest = np.partition(neighbours, n_found - m)[n_found - m]
        neighbours = neighbours[neighbours >= oldest]
    strength = np.empty(len(neighbours), np.float32)
    for index in range(len(neighbours)):
        strength[index] = similarity[slot_of(keys, neighbours[index])] * session_weight[neighbours[index]]
    if len(neighbours) > k:
        chosen = _strongest(neighbours, strength, k)
        neighbours, strength = neighbours[chosen], strength[chosen]
    votes = longest = 0
    for session in neighbours:
        length = session_start[session + 1] - session_start[session]
        votes, longest = votes + length, max(longest, length)
    items = np.empty(votes, np.int32)
    values = np.empty(votes, np.float32)
    filled = 0
    nearness = np.ones(longest, np.float64)
    if neighbour_scale > 0:
        nearness = np.exp(-np.arange(longest) / neighbour_scale)
    for index in range(len(neighbours)):
        slot = slot_of(keys, neighbours[index])
        first = session_start[neighbours[index]]
        for at in range(first, session_start[neighbours[index] + 1]):
            value = strength[index] * match_weight[newest_match[slot]] * item_weight[session_item[at]]
            items[filled] = session_item[at]
            values[filled] = value * nearness[abs(at - first - match_place[slot])]
            filled += 1
    return summed(items, values, without, len(item_weight), n)


@compiled
def _strongest(neighbours: Ints, strength: Floats, k: int) -> npt.NDArray[np.bool_]:
    """Which ``k`` of more than ``k`` neighbours vote; of equally strong ones the most recent."""
    bar = np.partition(strength, len(strength) - k)[len(strength) - k]
    tied = neighbours[strength == bar]
    places = k - np.sum(strength > bar)
    newest = np.partition(tied, len(tied) - places)[len(tied) - places]
    chosen: npt.NDArray[np.bool_] = (strength > bar) | ((strength == bar) & (neighbours >= newest))
    return chosen


@compiled
def strongest_clicks(
    clicks: Ints,
    click_weight: Floats,
    items: Ints,
    session_start: Longs,
    session_item: Ints,
    item_start: Longs,
    item_session: Ints,
    session_weight: Floats,
) -> Longs:
    """For each item the index of the click that meets it in the heaviest sessions; -1 where none does."""
    strongest = np.full(len(items), -1, np.int64)
    for place in range(len(items)):
        if not 0 <= items[place] < len(item_start) - 1:
            continue
        weight = np.zeros(len(clicks), np.float32)
        for at in range(item_start[items[place]], item_start[items[place] + 1]):
            session = item_session[at]
            for other in range(session_start[session], session_start[session + 1]):
                for index in range(len(clicks)):
                    if session_item[other] == clicks[index]:
                        weight[index] += click_weight[index] * session_weight[session]
        if len(clicks) and weight.max() > 0:
            strongest[place] = weight.argmax()
    return strongest
