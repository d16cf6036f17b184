"""Next orders: what customers who came back bought, as questions asked before the first click of that visit."""

from dataclasses import dataclass

import numpy as np

from feature_repo.activity import Kind
from training.interactions import History, Interactions, Ints
from training.past import Past


@dataclass(frozen=True, slots=True)
class NextOrder:
    history: History
    """What online features would know when the customer comes back."""
    bought: Ints
    """int32 [b], distinct: what they bought then."""


def next_orders(interactions: Interactions, cut: int, until: int, most: int, seed: int) -> list[NextOrder]:
    """For about ``most`` customers known before ``cut``, the first visit in [cut, until) in which they bought.

    Times are seconds since 1970. Customers who bought nothing then are not asked about, nor are those whose visit had
    begun before ``cut``: what is learnt until then would know more than they did at its first click. Nor are those who
    were there on another device half an hour before: they are answered as visitors.
    """
    past = Past.of(interactions)
    user, time = interactions.user[past.order], interactions.time[past.order]
    buys = (interactions.kind[past.order] == Kind.BUY) & (time >= cut) & (time < until)
    known = np.unique(user[time < cut])
    returned = known[np.isin(known, user[buys])]
    chosen = np.sort(np.random.default_rng(seed).permutation(returned)[:most])
    orders = []
    for customer in chosen.tolist():
        span = slice(past.start[customer], past.start[customer + 1])
        rows, bought = past.order[span], past.order[span][buys[span]]
        visit = interactions.session[bought[0]]
        opened = int(interactions.time[rows[interactions.session[rows] == visit]].min())
        history = past.at(customer, opened, int(interactions.market[bought[0]]))
        if opened < cut or not len(history.item) or history.in_session.any():
            continue
        orders.append(NextOrder(history, np.unique(interactions.item[bought[interactions.session[bought] == visit]])))
    return orders
