"""Interactions: what every candidate model is fitted from, as columns of numbers with their vocabularies."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.activity import Kind

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]

USER: Final = "user"
SESSION: Final = "session"
ITEM: Final = "item"
EVENT: Final = "event"
TIME: Final = "time"
MARKET: Final = "market"
QUANTITY: Final = "quantity"


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Where each item of a vocabulary stands: ``category`` and its ``parent``, int32 [items], numbered apart from each
    other, -1 where unknown. A category at the top of the tree is its own parent."""

    category: Ints
    parent: Ints
    parents: tuple[str, ...] = ()
    """What people call each parent; empty where nobody said."""


@dataclass(frozen=True, slots=True)
class Content:
    """What else describes each item of a vocabulary, whether or not anybody touched it yet.

    ``name``: [items], empty where unknown; ``brand``: int32 [items], -1 where unknown; ``price``: float32 [items], of
    one unit, in one currency for all, NaN where unknown; ``published``: int64 [items], seconds since 1970 UTC, 0 where
    unknown.
    """

    name: tuple[str, ...]
    brand: Ints
    price: Floats
    published: Longs


@dataclass(frozen=True, slots=True)
class Interactions:
    """n interactions, ordered by (session, time). Ids are positions in the vocabularies.

    ``user``, ``session``, ``item``: int32 [n]; ``kind``: int8 [n] of Kind; ``time``: int64 [n], seconds since 1970
    UTC; ``market``: int32 [n], -1 where unknown; ``item_ids``: the item vocabulary, which may hold items without any
    interaction; ``markets``: the market vocabulary. A session number is unique over all customers.
    """

    user: Ints
    session: Ints
    item: Ints
    kind: Codes
    time: Longs
    market: Ints
    item_ids: npt.NDArray[np.str_]
    markets: tuple[str, ...]
    n_users: int
    n_sessions: int
    taxonomy: Taxonomy | None = None
    """Of ``item_ids``; models that know nothing of it go without."""
    content: Content | None = None
    """Of ``item_ids`` too."""

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    def __len__(self) -> int:
        return len(self.item)

    def part(self, kept: npt.NDArray[np.bool_]) -> Self:
        """The interactions where ``kept``, bool [n], is True, their sessions numbered anew; vocabularies stay."""
        sessions, session = np.unique(self.session[kept], return_inverse=True)
        return replace(
            self,
            user=self.user[kept],
            session=session.astype(np.int32),
            item=self.item[kept],
            kind=self.kind[kept],
            time=self.time[kept],
            market=self.market[kept],
            n_sessions=len(sessions),
        )


@dataclass(frozen=True, slots=True)
class History:
    """What is known of one customer when an answer is made, oldest first.

    ``item``: int32 [m], positions in the model's item vocabulary (unknown items are left out); ``kind``: int8 [m];
    ``time``: int64 [m], seconds; ``in_session``: bool [m], True for the current visit.
    """

    item: Ints
    kind: Codes
    time: Longs
    in_session: npt.NDArray[np.bool_]
    market: int = -1
    now: int = 0
    """Seconds since 1970 UTC: the moment of the question."""

    @classmethod
    def of(cls, items: Sequence[int], kind: Kind = Kind.VIEW, market: int = -1, now: int = 0) -> Self:
        """A visit of ``items`` one second apart; for evaluation files without times, and for tests."""
        n = len(items)
        return cls(
            item=np.asarray(items, dtype=np.int32),
            kind=np.full(n, kind, dtype=np.int8),
            time=np.arange(now - n, now, dtype=np.int64),
            in_session=np.ones(n, dtype=np.bool_),
            market=market,
            now=now,
        )


def from_frame(frame: pd.DataFrame) -> Interactions:
    """Interactions from columns ``item``, and where there are ``user``, ``session``, ``event``, ``time``, ``market``.

    Item ids become strings. ``event`` holds Kind codes. Missing ``session``: one a user; missing ``user``: one a
    session; missing ``time``: the order of the rows.
    """
    item, item_ids = pd.factorize(frame[ITEM].astype(str), sort=True)
    owner = frame[SESSION] if SESSION in frame else frame[USER]
    session, sessions = pd.factorize(owner)
    user, users = pd.factorize(frame.get(USER, owner))
    time = frame[TIME].to_numpy(np.int64) if TIME in frame else np.arange(len(frame), dtype=np.int64)
    kind = frame[EVENT].to_numpy(np.int8) if EVENT in frame else np.full(len(frame), Kind.VIEW, dtype=np.int8)
    if MARKET in frame:
        market, markets = pd.factorize(frame[MARKET], sort=True)
    else:
        market, markets = np.full(len(frame), -1), pd.Index([])
    order = np.lexsort((time, session))
    return Interactions(
        user=user[order].astype(np.int32),
        session=session[order].astype(np.int32),
        item=item[order].astype(np.int32),
        kind=kind[order],
        time=time[order],
        market=market[order].astype(np.int32),
        item_ids=np.asarray(item_ids, dtype=np.str_),
        markets=tuple(str(m) for m in markets),
        n_users=len(users),
        n_sessions=len(sessions),
    )
