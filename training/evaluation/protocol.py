"""How training and test files become questions: the three ways in which the field's published figures are counted.

``sessions`` (session-rec and Serenade): every prefix of every test session asks for the next item; nothing is
removed from the answer. The published files hold no test item that training lacks and no session of one click; where
a file does, the unknown item is a question that every model misses, and a session of one click asks nothing.

``users`` (LightGCN): one question a test user, the items of the user's training history removed, all test items right;
an item in the test that training lacks, or that is removed, counts as missed.

``baskets`` (next-basket recommendation): one question a test user, whose test rows are the next basket; items bought
before stay eligible.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.files import BASKET, LABEL, PREFIX, has_columns, read_file
from training.evaluation.task import UNKNOWN, Exclude, Metric, Task, positions
from training.interactions import EVENT, ITEM, MARKET, SESSION, TIME, USER, Interactions, Ints, Longs, from_frame

DAY: Final = 86_400
Names: TypeAlias = tuple[str, ...]


class Protocol(StrEnum):
    SESSIONS = "sessions"
    USERS = "users"
    BASKETS = "baskets"


def read_task(
    protocol: Protocol,
    train: Path,
    test: Path,
    columns: Mapping[str, str],
    seed: int = 0,
    target: Kind | None = None,
    exclude: Exclude | None = None,
    held_out: bool | None = None,
) -> Task:
    """Read both files into the questions of ``protocol``.

    ``target`` keeps only test rows of that kind where the test file has ``event``; ``exclude`` defaults to what the
    protocol says. ``held_out``: whether the test file was taken out of customers' histories; by default so for
    ``users``, as published data sets are cut. NotFound or BadInput when a file does not fit.
    """
    known, asked = read_rows(protocol, train, test, columns)
    if held_out is None:
        held_out = protocol is Protocol.USERS
    return replace(task_of(protocol, known, asked, seed, target, exclude), held_out=held_out)


def read_rows(
    protocol: Protocol, train: Path, test: Path, columns: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of a training and of a test file, as ``protocol`` needs them."""
    known = read_training(protocol, train, columns)
    if protocol is Protocol.SESSIONS:
        if has_columns(test, columns.get(PREFIX, PREFIX), columns.get(LABEL, LABEL)):
            return known, read_file(test, columns, (PREFIX, LABEL), ())
        return known, _read_named(test, columns, (SESSION, ITEM), (USER, TIME, EVENT, MARKET))
    # Times of the test file alone tell nothing: those of a training file without any count from 0.
    timed = (TIME,) if known[TIME].any() and has_columns(train, columns.get(TIME, TIME)) else ()
    return known, read_file(test, columns, (USER, ITEM), (*timed, EVENT))


def read_training(protocol: Protocol, path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The rows of a training file, as ``protocol`` needs them, in the order of time."""
    if protocol is Protocol.SESSIONS:
        return _read_named(path, columns, (SESSION, ITEM), (USER, TIME, EVENT, MARKET))
    if protocol is Protocol.BASKETS:
        return _with_basket_times(_read_named(path, columns, (USER, BASKET, ITEM), (TIME, MARKET)))
    frame = _read_named(path, columns, (USER, ITEM), (TIME, EVENT, MARKET))
    if TIME not in frame:
        frame[TIME] = 0  # the order of such a file tells nothing, so nothing may decay with it
    return frame


def task_of(
    protocol: Protocol,
    train: pd.DataFrame,
    asked: pd.DataFrame,
    seed: int = 0,
    target: Kind | None = None,
    exclude: Exclude | None = None,
) -> Task:
    """The questions of ``protocol`` from rows to learn from and rows of what happened next."""
    if protocol is Protocol.SESSIONS:
        if PREFIX in asked:
            return _prefix_task(shuffled(from_frame(train), seed), asked, exclude or Exclude.NONE)
        return _session_task(train, asked, exclude or Exclude.NONE, target, seed)
    default = Exclude.NONE if protocol is Protocol.BASKETS else Exclude.SEEN
    return _user_task(train, _of_kind(asked, target), exclude or default, seed)


def kind_named(name: str) -> Kind:
    """The kind that ``view``, ``wish``, ``cart`` or ``buy`` names."""
    try:
        return Kind[name.upper()]
    except KeyError:
        raise BadInput(f"{name!r} is no kind of event; known are {', '.join(k.name.lower() for k in Kind)}") from None


def shuffled(interactions: Interactions, seed: int) -> Interactions:
    """The same interactions with the item vocabulary in random order.

    Models order equal scores by item number; in many files that number tells when or by whom an item was first
    touched, which would flatter whoever keeps its order.
    """
    order = np.random.default_rng(seed).permutation(interactions.n_items)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Interactions(
        user=interactions.user,
        session=interactions.session,
        item=place[interactions.item].astype(np.int32),
        kind=interactions.kind,
        time=interactions.time,
        market=interactions.market,
        item_ids=interactions.item_ids[order],
        markets=interactions.markets,
        n_users=interactions.n_users,
        n_sessions=interactions.n_sessions,
    )


def _read_named(path: Path, columns: Mapping[str, str], needed: Names, wanted: Names) -> pd.DataFrame:
    """``read_file``, where a column that was named on purpose is needed: a typing error must not drop it."""
    named = tuple(name for name in wanted if name in columns)
    return read_file(path, columns, (*needed, *named), tuple(name for name in wanted if name not in columns))


def _session_task(known: pd.DataFrame, frame: pd.DataFrame, exclude: Exclude, target: Kind | None, seed: int) -> Task:
    train = shuffled(from_frame(known), seed)
    session = pd.factorize(frame[SESSION])[0]
    order = np.argsort(session, kind="stable")
    session, frame = session[order], frame.iloc[order]
    start = np.flatnonzero(np.diff(session, prepend=-1))
    asked = np.setdiff1d(np.arange(len(session)), start)
    if target is not None and EVENT in frame:
        asked = asked[frame[EVENT].to_numpy()[asked] == target]
    if not len(asked):
        raise BadInput("no test session has two events, so there is no next item to ask for; give longer sessions")
    time = frame[TIME].to_numpy(np.int64) if TIME in frame else _after(train) + np.arange(len(frame), dtype=np.int64)
    item = positions(frame[ITEM], train.item_ids)
    return Task(
        train=train,
        item=item,
        kind=_kinds(frame),
        time=time,
        market=_markets(frame, train),
        first=start[session[asked]].astype(np.int64),
        last=asked.astype(np.int64),
        now=time[asked - 1],
        relevant=item,
        relevant_first=asked.astype(np.int64),
        relevant_last=asked.astype(np.int64) + 1,
        cluster=_numbered(session[asked]),
        in_session=True,
        exclude=exclude,
        metrics=(Metric.HR, Metric.MRR, Metric.COVERAGE),
        new_customer=~frame[USER].isin(known[USER]).to_numpy()[asked] if USER in frame and USER in known else None,
    )


def _prefix_task(train: Interactions, frame: pd.DataFrame, exclude: Exclude) -> Task:
    """Questions from a file of prefix and label: each row stands alone, so each is a cluster of its own."""
    last = np.cumsum(frame[PREFIX].map(len).to_numpy(np.int64))
    item = positions([item for prefix in frame[PREFIX] for item in prefix], train.item_ids)
    time = _after(train) + np.arange(len(item), dtype=np.int64)
    row = np.arange(len(frame), dtype=np.int64)
    return Task(
        train=train,
        item=item,
        kind=np.full(len(item), Kind.VIEW, np.int8),
        time=time,
        market=np.full(len(item), -1, np.int32),
        first=np.concatenate(([0], last[:-1])),
        last=last,
        now=_after(train) + last,
        relevant=positions(frame[LABEL], train.item_ids),
        relevant_first=row,
        relevant_last=row + 1,
        cluster=row.astype(np.int32),
        in_session=True,
        exclude=exclude,
        metrics=(Metric.HR, Metric.MRR, Metric.COVERAGE),
    )


def _user_task(frame: pd.DataFrame, asked: pd.DataFrame, exclude: Exclude, seed: int) -> Task:
    """One question a test user, asked one second after the first test row or, without times, after the last known."""
    train = shuffled(from_frame(frame), seed)
    asked = asked.drop_duplicates([USER, ITEM])
    user, users = pd.factorize(asked[USER])
    order = np.argsort(user, kind="stable")
    relevant = positions(asked[ITEM].to_numpy()[order], train.item_ids)
    relevant_first, relevant_last = _ranges(user[order], len(users))

    owner = positions(frame[USER], np.asarray(users))
    known = np.flatnonzero(owner != UNKNOWN)
    known = known[np.argsort(owner[known], kind="stable")]
    first, last = _ranges(owner[known], len(users))
    rows = frame.iloc[known]
    time = rows[TIME].to_numpy(np.int64)
    if TIME in asked:
        now = asked[TIME].to_numpy(np.int64)[order][relevant_first]
    else:
        now = np.where(last > first, time[np.maximum(last - 1, 0)] + 1 if len(time) else 0, _after(train))
    return Task(
        train=train,
        item=positions(rows[ITEM], train.item_ids),
        kind=_kinds(rows),
        time=time,
        market=_markets(rows, train),
        first=first,
        last=last,
        now=now,
        relevant=relevant,
        relevant_first=relevant_first,
        relevant_last=relevant_last,
        cluster=np.arange(len(users), dtype=np.int32),
        in_session=False,
        exclude=exclude,
        metrics=(Metric.RECALL, Metric.NDCG, Metric.COVERAGE),
        new_customer=last == first,
    )


def _with_basket_times(frame: pd.DataFrame) -> pd.DataFrame:
    """Baskets as sessions of purchases; without times, a user's baskets lie one day apart and end together.

    Basket numbers are put in numeric order where all are numbers, else in the order of the file.
    """
    number = pd.to_numeric(frame[BASKET], errors="coerce")
    if number.isna().any():
        number = pd.Series(pd.factorize(frame[USER] + "\0" + frame[BASKET])[0], index=frame.index)
    frame = frame.copy()
    frame[EVENT] = np.int8(Kind.BUY)
    frame[SESSION] = frame[USER] + "\0" + frame[BASKET]
    if TIME in frame:
        frame[TIME] = frame.groupby(SESSION)[TIME].transform("max")
        return frame.sort_values(TIME, kind="stable", ignore_index=True)
    order = number.groupby(frame[USER]).rank(method="dense", ascending=False)
    frame[TIME] = ((order.max() - order) * DAY).astype(np.int64)
    return frame.sort_values(TIME, kind="stable", ignore_index=True)


def _of_kind(frame: pd.DataFrame, target: Kind | None) -> pd.DataFrame:
    if target is None or EVENT not in frame:
        return frame
    kept = frame[frame[EVENT] == target]
    if kept.empty:
        raise BadInput(f"the test file has no event of kind {target.name.lower()}; give another --target")
    return kept


def _ranges(owner: npt.NDArray[np.integer], n: int) -> tuple[Longs, Longs]:
    """Where the rows of each of n owners begin and end in ``owner``, which is sorted."""
    ends = np.cumsum(np.bincount(owner, minlength=n)).astype(np.int64)
    return np.concatenate((np.zeros(1, np.int64), ends[:-1])), ends


def _numbered(owner: npt.NDArray[np.integer]) -> Ints:
    return pd.factorize(owner)[0].astype(np.int32)


def _after(train: Interactions) -> int:
    return int(train.time.max()) + 1


def _kinds(frame: pd.DataFrame) -> npt.NDArray[np.int8]:
    return frame[EVENT].to_numpy(np.int8) if EVENT in frame else np.full(len(frame), Kind.VIEW, np.int8)


def _markets(frame: pd.DataFrame, train: Interactions) -> Ints:
    if MARKET not in frame:
        return np.full(len(frame), UNKNOWN, np.int32)
    return positions(frame[MARKET].fillna(""), np.asarray(train.markets, dtype=np.str_))
