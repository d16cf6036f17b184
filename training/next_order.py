"""Next orders: what customers who came back bought, as questions asked before the first click of that visit."""

from dataclasses import dataclass

import numpy as np

from feature_repo.activity import Kind
from training.interactions import History, Interactions, Ints
from training.past import remembered


@dataclass(frozen=True, slots=True)
class NextOrder:
    history: History
    """What online features would know when the customer comes back."""
    bought: Ints
    """int32 [b], distinct: what they bought then."""


def next_orders(interactions: Interactions, cut: int, until: int, most: int, seed: int) -> list[NextOrder]:
    """For about ``most`` customers known before ``cut``, the first visit in [cut, until) in which they bought.

    Times are seconds since 1970. Customers who bought nothing then are not asked about, nor are those whose visit had
    begun before ``cut``: what is learnt until then would know more than they did at its first click.
    """
    order = np.lexsort((interactions.time, interactions.user))
    user, time = interactions.user[order], interactions.time[order]
    buys = (interactions.kind[order] == Kind.BUY) & (time >= cut) & (time < until)
    known = np.unique(user[time < cut])
    returned = known[np.isin(known, user[buys])]
    chosen = np.sort(np.random.default_rng(seed).permutation(returned)[:most])
    start, stop = np.searchsorted(user, chosen), np.searchsorted(user, chosen, side="right")
    orders = []
    for first, last in zip(start.tolist(), stop.tolist(), strict=True):
        rows = order[first:last]
        bought = rows[buys[first:last]]
        visit = interactions.session[bought[0]]
        opened = int(interactions.time[rows[interactions.session[rows] == visit]].min())
        past = rows[interactions.time[rows] < opened]
        if opened < cut or not len(past):
            continue
        item, kind, times = remembered(interactions.item[past], interactions.kind[past], interactions.time[past])
        market, before_click = int(interactions.market[bought[0]]), np.zeros(len(item), np.bool_)
        history = History(item, kind, times, before_click, market, opened)
        orders.append(NextOrder(history, np.unique(interactions.item[bought[interactions.session[bought] == visit]])))
    return orders
