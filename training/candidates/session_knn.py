"""Session kNN: what visitors on a path like this one went to next.

VMIS-kNN (Kersbergen, Sprangers, Schelter: Serenade, SIGMOD 2022) finds neighbours over an index of each item's most
recent sessions; the weights of STAN (Garg et al.: Sequence and Time Aware Neighborhood, SIGIR 2019) make recent
sessions, late clicks and items near the shared click count more. ``VMIS`` and ``STAN`` are settings of one kernel.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.reloads import reloads_are_common
from training.candidates.session_knn_kernel import index_sessions, strongest_clicks, vote
from training.interactions import Floats, History, Interactions, Ints

DAY: Final = 86_400.0
LONGEST_SESSION: Final = 100
"""Only the last 100 distinct items of a session are kept, so that no query depends on the length of one visit."""


@dataclass(frozen=True, slots=True)
class KnnSettings:
    """Which sessions are neighbours and how they vote. A scale of 0 switches its weight off."""

    m: Annotated[int, Field(ge=1)] = 500
    """Most recent sessions looked at, over all items of the visit."""
    k: Annotated[int, Field(ge=1)] = 100
    """Most similar of them that vote."""
    length: Annotated[int, Field(ge=1)] = 9
    """Last distinct items of the visit that count."""
    click_scale: Annotated[float, Field(ge=0)] = 0.0
    """STAN's lambda 1, in clicks from the last one; 0 for VMIS' linear decay."""
    recency_days: Annotated[float, Field(ge=0)] = 0.0
    """STAN's lambda 2: the age after which a session counts 1/e."""
    neighbour_scale: Annotated[float, Field(ge=0)] = 0.0
    """STAN's lambda 3, in items from the newest shared item within the neighbour."""
    cosine: bool = False
    """Divide a similarity by the root of the neighbour's length, as STAN does."""
    linear_match: bool = True
    """VMIS: a neighbour whose newest shared item lies d clicks back votes with 1 - d/10."""
    idf: Annotated[float, Field(ge=0)] = 1.0
    """Exponent of log(sessions / sessions with the item) in an item's score."""
    second_order: bool = False
    """Where the neighbours know fewer items than asked, go on with what visitors of those items went to."""


VMIS: Final = KnnSettings()
STAN: Final = KnnSettings(k=500, length=15, click_scale=2.0, neighbour_scale=2.0, second_order=True)
"""STAN's weights, as they did best on earlier parts of the public sets; its recency and cosine cost accuracy there."""


@dataclass(frozen=True, slots=True)
class SessionKnn:
    """Sessions are numbered by age, oldest first, so that a higher number is a more recent session.

    ``session_start`` int64 [s+1] and ``session_item`` int32: each session's distinct items in order of last contact;
    ``item_start`` int64 [i+1], ``item_session`` int32, ``item_place`` int32: each item's most recent sessions, newest
    first, and the item's place in them; ``session_weight`` float32 [s]; ``item_weight`` float32 [i].
    """

    name: ClassVar[str] = "session_knn"
    defaults: ClassVar[KnnSettings] = STAN

    settings: KnnSettings
    session_start: npt.NDArray[np.int64]
    session_item: Ints
    item_start: npt.NDArray[np.int64]
    item_session: Ints
    item_place: Ints
    session_weight: Floats
    item_weight: Floats
    reloads: bool
    """Whether the item clicked last is eligible, see ``reloads_are_common``."""

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: KnnSettings | None = None) -> Self:
        """Index the sessions; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        start, item, last_time = _distinct_in_order(interactions)
        item_start, item_session, item_place, frequency = index_sessions(start, item, interactions.n_items, settings.m)
        n_sessions = len(start) - 1
        weight = np.ones(n_sessions, np.float32)
        if settings.recency_days > 0 and n_sessions:
            age = (last_time[-1] - last_time) / DAY
            weight = np.maximum(np.exp(-age / settings.recency_days), 1e-6).astype(np.float32)
        if settings.cosine:
            weight = (weight / np.sqrt(np.maximum(np.diff(start), 1))).astype(np.float32)
        rarity = np.log(max(n_sessions, 1) / np.maximum(frequency, 1))
        item_weight = np.maximum(rarity, 0.01) ** settings.idf
        return cls(
            settings,
            start,
            item,
            item_start,
            item_session,
            item_place,
            weight,
            item_weight.astype(np.float32),
            reloads_are_common(interactions),
        )

    def propose(self, history: History, n: int) -> Candidates:
        """The best ``n`` items; earlier items of the visit stay eligible, for a third of next clicks return to one."""
        clicks, _ = self._clicks(history)
        if n < 1 or not len(clicks):
            return NONE
        without = -1 if self.reloads else int(clicks[0])
        found = self._vote(clicks, without, n)
        if self.settings.second_order and 0 < len(found.item) < n:
            return _followed_by(found, self._vote(found.item[: self.settings.length], without, 2 * n), n)
        return found

    def _vote(self, clicks: Ints, without: int, n: int) -> Candidates:
        """What the neighbours of these clicks, newest first, went to."""
        s = self.settings
        item, score = vote(
            clicks,
            _click_weights(len(clicks), s.click_scale),
            _match_weights(len(clicks), s.linear_match),
            self.session_start,
            self.session_item,
            self.item_start,
            self.item_session,
            self.item_place,
            self.session_weight,
            self.item_weight,
            s.m,
            s.k,
            s.neighbour_scale,
            without,
            n,
        )
        return Candidates(item, score)

    def because(self, history: History, item: int) -> int | None:
        """The click that shares the most, and most recent, sessions with ``item``."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one look at the clicks."""
        clicks, positions = self._clicks(history)
        strongest = strongest_clicks(
            clicks,
            _click_weights(len(clicks), self.settings.click_scale),
            items,
            self.session_start,
            self.session_item,
            self.item_start,
            self.item_session,
            self.session_weight,
        )
        return [int(positions[click]) if click >= 0 else None for click in strongest.tolist()]

    def save(self, folder: Path) -> None:
        for name in ("session_start", "session_item", "item_start", "item_session", "item_place"):
            write_array(folder, name, getattr(self, name))
        write_array(folder, "session_weight", self.session_weight)
        write_array(folder, "item_weight", self.item_weight)
        write_settings(folder, asdict(self.settings) | {"reloads": self.reloads})

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = read_settings(folder)
        try:
            reloads = bool(stored.pop("reloads"))
            settings = KnnSettings(**stored)
        except (KeyError, TypeError) as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(
            settings,
            read_array(folder, "session_start", np.int64),
            read_array(folder, "session_item", np.int32),
            read_array(folder, "item_start", np.int64),
            read_array(folder, "item_session", np.int32),
            read_array(folder, "item_place", np.int32),
            read_array(folder, "session_weight", np.float32),
            read_array(folder, "item_weight", np.float32),
            reloads,
        )

    def _clicks(self, history: History) -> tuple[Ints, Ints]:
        """The last distinct items of the visit, newest first, with their positions in the history.

        Without a current visit the customer's newest interactions stand in for it.
        """
        visit = np.flatnonzero(history.in_session) if history.in_session.any() else np.arange(len(history.item))
        newest: dict[int, int] = {}
        for position, item in zip(visit[::-1].tolist(), history.item[visit[::-1]].tolist(), strict=True):
            if item not in newest and 0 <= item < len(self.item_weight):
                newest[item] = position
                if len(newest) == self.settings.length:
                    break
        return np.array(list(newest), np.int32), np.array(list(newest.values()), np.int32)


@cache
def _click_weights(n: int, scale: float) -> Floats:
    """Weight of the click ``d`` places from the last one, d = 0 … n-1."""
    if scale > 0:
        return np.exp(-np.arange(n) / scale).astype(np.float32)
    return (np.arange(n, 0, -1) / n).astype(np.float32)


@cache
def _match_weights(n: int, linear: bool) -> Floats:
    if not linear:
        return np.ones(n, np.float32)
    weights: Floats = np.maximum(1.0 - 0.1 * np.arange(1, n + 1), 0.05).astype(np.float32)
    return weights


def _followed_by(first: Candidates, second: Candidates, n: int) -> Candidates:
    """The first list, then what the second one has besides, all of it scored below the first."""
    news = np.isin(second.item, first.item, invert=True)
    item, score = second.item[news][: n - len(first.item)], second.score[news][: n - len(first.item)]
    if not len(item):
        return first
    scaled = (score * (0.5 * first.score[-1] / score[0])).astype(np.float32)
    return Candidates(np.concatenate([first.item, item]), np.concatenate([first.score, scaled]))


def _distinct_in_order(
    interactions: Interactions,
) -> tuple[npt.NDArray[np.int64], Ints, npt.NDArray[np.int64]]:
    """Sessions from oldest to newest, each with its distinct items in order of last contact: starts, items, end times.

    The end time of a session is that of its last interaction, seconds since 1970 UTC.
    """
    n = len(interactions)
    if not n:
        return np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64)
    end = np.full(interactions.n_sessions, np.iinfo(np.int64).min)
    np.maximum.at(end, interactions.session, interactions.time)
    rank = np.empty(interactions.n_sessions, np.int64)
    rank[np.argsort(end, kind="stable")] = np.arange(interactions.n_sessions)
    age = rank[interactions.session]
    order = np.argsort(age, kind="stable")
    age, item = age[order], interactions.item[order]
    # A later contact with the same item in the same session replaces the earlier one.
    pair = age * interactions.n_items + item
    _, from_end = np.unique(pair[::-1], return_index=True)
    kept = np.sort(n - 1 - from_end)
    age, item = age[kept], item[kept]
    counts = np.bincount(age, minlength=interactions.n_sessions)
    from_last = np.repeat(np.cumsum(counts), counts) - np.arange(len(age))
    within = from_last <= LONGEST_SESSION
    counts = np.minimum(counts, LONGEST_SESSION)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return start, item[within].astype(np.int32), np.sort(end, kind="stable")
