"""The online gateway: reads customers for answers, reads and writes activities for the worker, erases.

Reading does not import Feast; the first write does. Rows lie in Feast's own layout, so that ``get_online_features``,
``feast serve`` and feature servers in other languages read the same.
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import redis

from feature_repo.activity import EMPTY, Activity, merged, with_devices
from feature_repo.customer import (
    ACTIVITY_FEATURES,
    PROFILE_FEATURES,
    CustomerFeatures,
    UserProfile,
    activity_of,
    activity_row,
    last_time_us,
    profile_of,
)
from feature_repo.errors import Corrupt, TryLater
from feature_repo.layout import CUSTOMER_KEY, USER_ACTIVITY, USER_PROFILE, View, decoded

if TYPE_CHECKING:
    from feature_repo.store import OnlineWriter


class OnlineRows(Protocol):
    """Rows of Feast's online store as bytes, the one thing that differs between stores. Any call may raise TryLater."""

    def read(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]: ...

    async def read_async(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]: ...

    def stored_times(self, view: View, keys: Sequence[str]) -> dict[str, int]: ...

    def erase(self, join_key: str, keys: Sequence[str]) -> None: ...

    def check(self) -> str: ...

    async def close(self) -> None: ...


def _now_us() -> int:
    return time.time_ns() // 1000


class OnlineFeatures:
    """Online features of customers, whose keys are ``u:<user_id>`` and ``a:<anonymous_id>``.

    One writer for each key: the features group has it by the log's partitions. Any call raises TryLater within
    seconds when the store is away.

    ``writer`` opens Feast's writer at the first write. ``activity_ttl`` hides, in answers, what a customer did when
    the last of it is older: Feast does not look at the age of online rows. None: nothing is too old.
    """

    def __init__(
        self,
        rows: OnlineRows,
        writer: "Callable[[], OnlineWriter]",
        activity_ttl: timedelta | None = None,
        now_us: Callable[[], int] = _now_us,
    ) -> None:
        self._rows = rows
        self._open_writer = writer
        self._writer: OnlineWriter | None = None
        self._writing = threading.Lock()
        self._ttl_us = None if activity_ttl is None else activity_ttl // timedelta(microseconds=1)
        self._now_us = now_us

    def read_activity(self, keys: Sequence[str]) -> dict[str, Activity]:
        """The stored activity of each key, whatever its age and without its devices; missing keys are absent."""
        if not keys:
            return {}
        rows = self._rows.read([(USER_ACTIVITY, key) for key in keys])
        return {key: _activity(row) for key, row in zip(keys, rows, strict=True) if row}

    def write_activity(self, rows: Mapping[str, Activity]) -> None:
        """Replace the stored activities, durably. Raises TryLater when the store cannot take them; repeat then."""
        from feature_repo.store import OnlineRow

        if not rows:
            return
        with self._writing, _store_errors():
            # Late events make a new row without a later event; the row's time still has to grow, or Redis drops it.
            stored = self._rows.stored_times(USER_ACTIVITY, list(rows))
            batch = [
                OnlineRow(key, activity_row(activity), max(last_time_us(activity), stored.get(key, 0) + 1))
                for key, activity in rows.items()
            ]
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.write(USER_ACTIVITY, batch)

    async def read_customer(self, user_id: str | None, anonymous_id: str | None) -> CustomerFeatures:
        """What is known of a customer now, the account's devices included.

        A device that is named beside the account counts whole: the request itself says that both are one customer.
        """
        device = None if anonymous_id is None else f"a:{anonymous_id}"
        if user_id is None:
            if device is None:
                return CustomerFeatures()
            return await self._read_device(device)
        key = f"u:{user_id}"
        wanted = [(USER_ACTIVITY, key), (USER_PROFILE, key)]
        if device is not None:
            wanted.append((USER_ACTIVITY, device))
        rows = await self._rows.read_async(wanted)
        activity = _activity(rows[0])
        here = _activity(rows[2]) if device is not None else EMPTY
        others = [linked for linked in activity.links if linked != anonymous_id]
        if others:
            found = await self._rows.read_async([(USER_ACTIVITY, f"a:{linked}") for linked in others])
            activity = with_devices(activity, dict(zip(others, map(_activity, found), strict=True)))
        if here.interactions:
            activity = merged(activity, here.interactions)
        return CustomerFeatures(self._fresh(activity), _profile(rows[1]))

    async def erase(self, keys: Iterable[str]) -> None:
        """Remove all rows of the customers, bytes included. They come back only if their events are folded again."""
        await asyncio.to_thread(self._rows.erase, CUSTOMER_KEY, list(keys))

    def check(self) -> str:
        """One line about the store that answers; raises TryLater, Misconfigured or Corrupt with what to do."""
        return self._rows.check()

    async def close(self) -> None:
        with self._writing:
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        await self._rows.close()

    async def _read_device(self, device: str) -> CustomerFeatures:
        activity, profile = await self._rows.read_async([(USER_ACTIVITY, device), (USER_PROFILE, device)])
        return CustomerFeatures(self._fresh(_activity(activity)), _profile(profile))

    def _fresh(self, activity: Activity) -> Activity:
        if self._ttl_us is not None and last_time_us(activity) < self._now_us() - self._ttl_us:
            return EMPTY
        return activity


@contextmanager
def _store_errors() -> Iterator[None]:
    """Errors that come up through Feast, in the words of ours."""
    try:
        yield
    except (sqlite3.OperationalError, redis.RedisError, OSError) as error:
        raise TryLater(f"online features cannot be written now: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Corrupt(f"the online store's SQLite file cannot be written: {error}; move it away") from error


def _activity(row: Mapping[str, bytes]) -> Activity:
    if not row:
        return EMPTY
    kinds = USER_ACTIVITY.features
    return activity_of({name: decoded(kinds[name], row.get(name, b"")) for name in ACTIVITY_FEATURES})


def _profile(row: Mapping[str, bytes]) -> UserProfile | None:
    if not row:
        return None
    kinds = USER_PROFILE.features
    return profile_of({name: decoded(kinds[name], row.get(name, b"")) for name in PROFILE_FEATURES})
