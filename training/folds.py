"""Rolling folds: the last part of the training period replayed, so that a ranker learns from questions of the past.

Each fold has one moment for the whole shop: what proposes candidates is fitted on what came before it, and what is
asked came after. The folds follow each other without overlap. They ask as the files of an evaluation do; what a shop's
rankers are asked with, of which online features know more, is in ``training/past.py``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from feature_repo.activity import Kind
from training.evaluation.task import Exclude
from training.interactions import History, Interactions, Ints, Longs

LONGEST_HISTORY: Final = 50
"""As many interactions of a customer as online features keep."""
VISIT_GAP: Final = 1800
"""Seconds without anything that end a visit."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What a ranker is asked."""

    visit: bool = True
    """Asked for the next item of a visit, of which alone is known; else about a customer, for what they do next."""
    target: Kind | None = None
    """Only items that the customer does this with are right; None for whatever they do."""
    exclude: Exclude = Exclude.NONE
    within: bool = False
    """Asked within the span of time that is learnt from, as where one purchase of every customer is held out; else
    after it, as in a shop."""


def excluded(history: History, rule: Exclude) -> Ints:
    """The items of the history that may not be shown, ascending."""
    if rule is Exclude.SEEN:
        return np.unique(history.item)
    if rule is Exclude.BOUGHT:
        return np.unique(history.item[history.kind == Kind.BUY])
    return np.empty(0, np.int32)


class Fold(NamedTuple):
    """``earlier`` is learnt from; ``questions`` were asked after it."""

    earlier: Interactions
    questions: list["Replayed"]


class Replayed(NamedTuple):
    history: History
    relevant: Ints
    """int32 [r], distinct: what the customer went to."""


def rolling_folds(
    interactions: Interactions, objective: Objective, n: int, share: float, most: int, seed: int
) -> Iterator[Fold]:
    """``n`` folds over the last ``share`` of the interactions, each with at most ``most`` questions, oldest first.

    A file whose interactions all bear one time has no past and no future, and gives no fold.
    """
    rng = np.random.default_rng(seed)
    cuts = cuts_of(interactions, n, share)
    for number, cut in enumerate(cuts[:-1]):
        until = cuts[number + 1] + (number == len(cuts) - 2)
        asked = _visits if objective.visit else _orders
        yield Fold(
            before(interactions, cut),
            _sample(asked(interactions, objective, cut, until), interactions, objective, most, rng),
        )


def cuts_of(interactions: Interactions, n: int, share: float) -> list[int]:
    """The ends of ``n`` spans over the last ``share`` of the interactions, seconds since 1970, each at most once.

    None at the very beginning, before which there is nothing.
    """
    if not len(interactions):
        return []
    cuts = np.unique(np.quantile(interactions.time, 1 - share * np.arange(n, -1, -1) / n, method="lower"))
    return [int(cut) for cut in cuts[cuts > interactions.time.min()]]


def held_out_folds(interactions: Interactions, objective: Objective, n: int, most: int, seed: int) -> Iterator[Fold]:
    """``n`` folds, each without one item of the target, and the way to it, of some customers, who are asked for it.

    Each customer is in every second fold or so. For objectives ``within``, where the questions know as much of the
    time after them.
    """
    rng = np.random.default_rng(seed)
    target = np.ones(len(interactions), np.bool_) if objective.target is None else interactions.kind == objective.target
    order = np.lexsort((interactions.time, interactions.user))
    starts = np.searchsorted(interactions.user[order], np.arange(interactions.n_users + 1))
    for _ in range(n):
        rows = rng.permutation(np.flatnonzero(target))
        customers, first = np.unique(interactions.user[rows], return_index=True)
        chosen = np.sort(rng.permutation(len(customers))[: min(most, max(len(customers) // 4, 1))])
        item = np.full(interactions.n_users, -1, np.int32)
        item[customers[chosen]] = interactions.item[rows[first[chosen]]]
        kept = interactions.item != item[interactions.user]
        questions = []
        for user in customers[chosen].tolist():
            own = order[starts[user] : starts[user + 1]]
            own = own[kept[own]][-LONGEST_HISTORY:]
            if len(own):
                questions.append(Replayed(_history(interactions, own), item[user : user + 1]))
        yield Fold(interactions.part(kept), questions)


def in_visits(interactions: Interactions) -> Interactions:
    """The same with a session divided wherever nothing happened for VISIT_GAP: some files know only customers."""
    opens = np.diff(interactions.session, prepend=-1) != 0
    opens |= np.diff(interactions.time, prepend=0) > VISIT_GAP
    session = (np.cumsum(opens) - 1).astype(np.int32)
    return replace(interactions, session=session, n_sessions=int(opens.sum()))


def before(interactions: Interactions, cut: int) -> Interactions:
    """The interactions earlier than ``cut``, seconds since 1970; vocabularies and user numbers stay."""
    return interactions.part(interactions.time < cut)


def _history(interactions: Interactions, rows: Longs) -> History:
    """What a customer did, oldest first, asked when they did the last of it."""
    return History(
        item=interactions.item[rows],
        kind=interactions.kind[rows],
        time=interactions.time[rows],
        in_session=np.zeros(len(rows), np.bool_),
        market=int(interactions.market[rows[-1]]),
        now=int(interactions.time[rows[-1]]),
    )


class _Asked(NamedTuple):
    """Questions as rows of ``order``, which lists all interactions by customer (or visit) and time.

    The history of question i is ``order[first[i]:at[i]]``, of which ``order[visit[i]:at[i]]`` belongs to the visit;
    right is ``order[at[i]:end[i]]`` as far as it is of the target's kind.
    """

    order: Longs
    first: Longs
    visit: Longs
    at: Longs
    end: Longs

    def question(self, interactions: Interactions, objective: Objective, i: int) -> Replayed:
        future = self.order[self.at[i] : self.end[i]]
        if objective.target is not None:
            future = future[interactions.kind[future] == objective.target]
        relevant = np.unique(interactions.item[future])
        rows = self.order[self.first[i] : self.at[i]]
        in_session = np.arange(self.first[i], self.at[i]) >= self.visit[i]
        if objective.exclude is Exclude.SEEN:
            # What was seen is never shown, so the question is for the unseen: the way to the answer itself is hidden,
            # for nearly everybody looks at an item before buying it.
            kept = ~np.isin(interactions.item[rows], relevant)
            rows, in_session = rows[kept], in_session[kept]
        rows, in_session = rows[-LONGEST_HISTORY:], in_session[-LONGEST_HISTORY:]
        history = History(
            item=interactions.item[rows],
            kind=interactions.kind[rows],
            time=interactions.time[rows],
            in_session=in_session,
            market=int(interactions.market[rows[-1]]) if len(rows) else -1,
            now=int(interactions.time[rows[-1]]) if len(rows) else int(interactions.time[self.order[self.at[i]]]),
        )
        return Replayed(history, relevant[~np.isin(relevant, excluded(history, objective.exclude))])


def _sample(
    asked: "_Asked", interactions: Interactions, objective: Objective, most: int, rng: np.random.Generator
) -> list[Replayed]:
    chosen = np.sort(rng.permutation(len(asked.at))[:most])
    questions = [asked.question(interactions, objective, int(i)) for i in chosen]
    return [each for each in questions if len(each.relevant)]


def _visits(interactions: Interactions, objective: Objective, cut: int, until: int) -> _Asked:
    """Every interaction but the first of each visit that began from ``cut`` to before ``until``."""
    place = np.arange(len(interactions))
    opens = np.diff(interactions.session, prepend=-1) != 0
    start = np.maximum.accumulate(np.where(opens, place, 0))
    began = interactions.time[start]
    asked = ~opens & (began >= cut) & (began < until)
    if objective.target is not None:
        asked &= interactions.kind == objective.target
    at = np.flatnonzero(asked)
    return _Asked(place, start[at], start[at], at, at + 1)


def _orders(interactions: Interactions, objective: Objective, cut: int, until: int) -> _Asked:
    """What a customer did in one second, where it holds the target, from ``cut`` to before ``until``."""
    order = np.lexsort((interactions.kind, interactions.time, interactions.user))
    user, time = interactions.user[order], interactions.time[order]
    place = np.arange(len(order))
    user_start = np.maximum.accumulate(np.where(np.diff(user, prepend=-1) != 0, place, 0))
    opens = (np.diff(user, prepend=-1) != 0) | (np.diff(time, prepend=-1) != 0)
    start = np.flatnonzero(opens)
    end = np.append(start[1:], len(order))
    within = (time[start] >= cut) & (time[start] < until) & (start > user_start[start])
    if objective.target is not None:
        holds = np.add.reduceat((interactions.kind[order] == objective.target).astype(np.int64), start) > 0
        within &= holds
    start, end = start[within], end[within]
    return _Asked(order, user_start[start], start, start, end)
