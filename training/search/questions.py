"""What the search asks: for each placement, questions of the past to which the answer is known.

Each fold has one moment for the whole shop: models are fitted on what came before it and asked about what came after.
What a customer did within one second, as the lines of an order, is one moment: its lines stand in no order that anybody
could be asked in the middle of.
The folds lie one before the other: the latest is the hold-out, on which nothing is chosen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.holdout import Question, split
from training.interactions import History, Interactions, Ints
from training.next_order import next_orders
from training.past import Past

HOME: Final = "home"
RETURNING: Final = "home/returning"
PRODUCT: Final = "product"
CART: Final = "cart"
TOGETHER: Final = "bought-together"
PLACEMENTS: Final = (HOME, RETURNING, PRODUCT, CART, TOGETHER)
"""The blends to which the past holds answers of their own; the others would be asked what ``home`` is."""


FEWEST_VISITS: Final = 30
"""With fewer visits an interval says nothing."""
NONE: Final = np.empty(0, np.int32)


@dataclass(frozen=True, slots=True)
class Asked:
    history: History
    relevant: Ints
    """int32 [r], distinct: what the customer went to, bought or put into the cart then."""
    visit: int
    """Questions of one visit, or of one customer who comes back, are not independent and bear one number."""
    hidden: Ints = field(default_factory=lambda: NONE)
    """int32 [h]: in view or in the cart already, and not shown again."""


@dataclass(frozen=True, slots=True)
class Fold:
    earlier: Interactions
    asked: Mapping[str, Sequence[Asked]]
    """Placement to its questions, maybe none."""


def fold(interactions: Interactions, share: float, most: int, seed: int) -> Fold:
    """The latest ``share`` of sessions, asked about with about ``most`` questions for each placement.

    BadInput when there are too few sessions to set any apart.
    """
    earlier, clicks = split(interactions, share, most, seed) if len(interactions) else (interactions, [])
    if not len(earlier) or not clicks:
        raise BadInput(
            f"{interactions.n_sessions:,} sessions are too few to search on; import more of the past, or raise "
            "training.holdout_share or training.window_days"
        )
    cut = int(earlier.time.max()) + 1
    home = _clicks(clicks)
    orders = next_orders(interactions, cut, int(interactions.time.max()) + 1, most, seed)
    cart, together = _baskets(interactions, cut, most, seed)
    return Fold(
        earlier,
        {
            HOME: home,
            RETURNING: [Asked(order.history, order.bought, number) for number, order in enumerate(orders)],
            PRODUCT: _products(home),
            CART: cart,
            TOGETHER: together,
        },
    )


def enough(asked: Sequence[Asked]) -> bool:
    return len({question.visit for question in asked}) >= FEWEST_VISITS


def placements_with_enough(folds: Sequence[Fold]) -> list[str]:
    """Those with enough visits in every fold."""
    return [name for name in PLACEMENTS if all(enough(fold.asked[name]) for fold in folds)]


def _clicks(questions: Sequence[Question]) -> list[Asked]:
    """What everybody who has clicked in this visit went to next."""
    found: list[Asked] = []
    for each in questions:
        history = each.history
        if found and (found[-1].visit, found[-1].history.now) == (each.session, history.now):
            found[-1] = replace(found[-1], relevant=np.union1d(found[-1].relevant, [each.item]).astype(np.int32))
        elif history.in_session.any() and history.time[-1] < history.now:
            found.append(Asked(history, np.array([each.item], np.int32), each.session))
    return found


def _products(clicks: Sequence[Asked]) -> list[Asked]:
    """Where visitors went from an item, by that item alone."""
    found = []
    for each in clicks:
        in_view = each.history.item[-1:]
        others = np.setdiff1d(each.relevant, in_view).astype(np.int32)
        if len(others):
            history = _about(int(in_view[0]), Kind.VIEW, each.history)
            found.append(Asked(history, others, each.visit, in_view))
    return found


def _about(item: int, kind: Kind, history: History) -> History:
    return History.of([item], kind, history.market, history.now)


def _baskets(interactions: Interactions, cut: int, most: int, seed: int) -> tuple[list[Asked], list[Asked]]:
    """What else went into the cart, asked at a random moment (``cart``), and of a random item of it alone.

    Only of visits that began at ``cut`` or later. What was put in within one second went in in random order.
    """
    rng, past = np.random.default_rng(seed), Past.of(interactions)
    put = np.isin(interactions.kind, (Kind.CART, Kind.BUY))
    opens = np.searchsorted(interactions.session, np.arange(interactions.n_sessions + 1))
    later = np.flatnonzero((interactions.time[opens[:-1]] >= cut) & (np.add.reduceat(put, opens[:-1]) > 1))
    cart, together = [], []
    for visit in np.sort(rng.permutation(later)[:most]).tolist():
        rows = np.arange(opens[visit], opens[visit + 1])
        rows = rows[np.lexsort((rng.random(len(rows)), interactions.time[rows]))]
        putting = np.flatnonzero(put[rows])
        items, first = np.unique(interactions.item[rows[putting]], return_index=True)
        if len(items) < 2:
            continue
        until = putting[np.sort(first)][rng.integers(1, len(items))]
        history = _during(past, rows[:until], int(interactions.time[rows[until]]))
        held = interactions.item[rows[:until][put[rows[:until]]]]
        cart.append(Asked(history, np.setdiff1d(items, held).astype(np.int32), visit, held))
        item = int(rng.choice(items))
        about = _about(item, Kind.CART, history)
        together.append(Asked(about, items[items != item].astype(np.int32), visit, about.item))
    return cart, together


def _during(past: Past, visit: npt.NDArray[np.int64], now: int) -> History:
    """What online features know at ``now``, and what of this second is in the visit so far."""
    interactions = past.interactions
    known = past.at(int(interactions.user[visit[0]]), now, int(interactions.market[visit[0]]))
    lines = visit[interactions.time[visit] == now]
    return replace(
        known,
        item=np.concatenate([known.item, interactions.item[lines]]),
        kind=np.concatenate([known.kind, interactions.kind[lines]]),
        time=np.concatenate([known.time, interactions.time[lines]]),
        in_session=np.concatenate([known.in_session, np.ones(len(lines), np.bool_)]),
    )
