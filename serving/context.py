"""The context of a question: what the customer did lately, from online features and from the request itself."""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from feature_repo.activity import Interaction, Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from serving.catalogue import Mask
from serving.models import ServedModel
from serving.placements import Placement
from serving.question import Question
from training.interactions import History
from training.past import older_purchases

SESSION_GAP_SECONDS: Final = 30 * 60
PATIENCE: Final = 0.5
"""The share of the deadline that the online store may take."""
FAILURES_UNTIL_PAUSE: Final = 5
PAUSE_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a question is answered from."""

    question: Question
    placement: Placement
    customer: CustomerFeatures | None
    """None: the online store did not answer."""
    model: ServedModel | None
    history: History
    shown: Mask
    excluded: frozenset[str]
    """Items that may not be shown here: in view, excluded by the page, or bought and not needed again."""
    late: bool = False
    """So much of the deadline is over that there is no time for the ranker."""

    @property
    def allowed(self) -> Mask | None:
        """Which of the model's items the page may show; None where the question names no categories."""
        if self.model is None or not self.question.filters.category_ids:
            return None
        return self.shown[self.model.alignment.rows]


class CustomerStore(Protocol):
    """What the service needs of online features (``feature_repo/online.py``)."""

    async def read_customer(self, user_id: str | None, anonymous_id: str | None) -> CustomerFeatures: ...

    async def erase(self, keys: Iterable[str]) -> None: ...


class CustomerReader:
    """Reads customers in bounded time. A store that keeps failing is left alone for a second before the next try."""

    def __init__(self, store: CustomerStore, deadline_seconds: float) -> None:
        self._store = store
        self._patience = deadline_seconds * PATIENCE
        self._failures = 0
        self._paused_until = 0.0

    async def read(self, user_id: str | None, anonymous_id: str | None) -> CustomerFeatures | None:
        """The customer's features; None when the store does not answer in time."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            async with asyncio.timeout(self._patience):
                customer = await self._store.read_customer(user_id, anonymous_id)
        except Exception as error:  # whatever ails the store, the answer goes out without it
            self._failures += 1
            if self._failures >= FAILURES_UNTIL_PAUSE:
                self._paused_until = time.monotonic() + PAUSE_SECONDS
                logger.warning("online features do not answer, going on without: %s", error or "timed out")
            return None
        self._failures = 0
        return customer


def history_of(
    question: Question,
    placement: Placement,
    customer: CustomerFeatures,
    index: Mapping[str, int],
    market: int,
    now: int,
) -> History:
    """The customer's history in a model's vocabulary, oldest first; ``now`` in seconds since 1970 UTC.

    Purchases that the newest interactions no longer hold come from the profile. The current visit reaches back to the
    last pause of half an hour. What the request brings belongs to it: items viewed lately, then the items in view. On
    a placement that is about its items nothing else counts.
    """
    rows: list[tuple[int, int, int, bool]] = []
    if not (placement.about_items and question.item_ids):
        interactions = customer.activity.interactions
        rows = _known(interactions, index, now)
        if customer.profile is not None:
            rows = _older(customer.profile, interactions, index) + rows
            rows.sort(key=_time)
        rows += _brought(question.recent_item_ids, Kind.VIEW, index, now, rows)
    rows += _brought(question.item_ids, placement.context_kind, index, now, rows[-1:])
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 4)
    return History(
        item=columns[:, 0].astype(np.int32),
        kind=columns[:, 1].astype(np.int8),
        time=np.ascontiguousarray(columns[:, 2]),
        in_session=columns[:, 3].astype(np.bool_),
        market=market,
        now=now,
    )


def _known(interactions: Sequence[Interaction], index: Mapping[str, int], now: int) -> list[tuple[int, int, int, bool]]:
    session_start = now
    for interaction in reversed(interactions):
        seconds = interaction.time_us // 1_000_000
        if session_start - seconds > SESSION_GAP_SECONDS:
            break
        session_start = min(seconds, session_start)
    return [
        (index[i.item_id], i.kind, i.time_us // 1_000_000, i.time_us // 1_000_000 >= session_start)
        for i in interactions
        if i.item_id in index
    ]


def _older(
    profile: UserProfile, interactions: Sequence[Interaction], index: Mapping[str, int]
) -> list[tuple[int, int, int, bool]]:
    """What was bought before the newest interactions, in a vocabulary that may know only some of it."""
    last_times = (time_us // 1_000_000 for time_us in profile.bought_last_us)
    # Not strict: half a profile may cost the older purchases, but no answer.
    bought = zip(profile.bought_items, profile.bought_counts, last_times, strict=False)
    recent = [(i.item_id, i.kind, i.time_us // 1_000_000) for i in interactions]
    older = older_purchases(bought, recent)
    return [(index[item_id], int(Kind.BUY), time, False) for item_id, time in older if item_id in index]


def _time(row: tuple[int, int, int, bool]) -> int:
    return row[2]


def _brought(
    item_ids: Iterable[str],
    kind: Kind,
    index: Mapping[str, int],
    now: int,
    present: Sequence[tuple[int, int, int, bool]],
) -> list[tuple[int, int, int, bool]]:
    seen = {row[0] for row in present if row[3]}
    items = [index[item_id] for item_id in item_ids if item_id in index]
    return [(item, int(kind), now, True) for item in items if item not in seen]
