"""Drift: whether what answers are made from still looks like what their model was trained on.

Each model counts its own answers, feature by feature (``training/traffic.py`` says which), in windows of WINDOW. A full
window is compared with the training's distribution by the population stability index; what lies above the bound is told
once in the log, and shown by ``/readyz``, ``/metrics`` and ``shopfloor doctor``. It is a note, never a failure: the
answers are as good as the model can make them, and training again is for people or the schedule to decide.
"""

import logging
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
from prometheus_client import Gauge

from feature_repo.activity import MAX_INTERACTIONS
from feature_repo.customer import CustomerFeatures
from feature_repo.errors import Corrupt
from serving.placements import Placement
from serving.question import Question
from training.arrays import read_array
from training.bundle import ITEM_COUNTS, Bundle
from training.data_checks import stability
from training.traffic import (
    ARRIVAL_SECONDS,
    DAY_PARTS,
    DAY_SECONDS,
    DAYS,
    KIND_PARTS,
    LENGTH_PARTS,
    LENGTHS,
    NO_MARKET,
    TENTH_PARTS,
    Traffic,
    popularity_tenths,
)

WINDOW: Final = 1_000
"""Answers that are compared at a time, for each feature by itself: chance alone moves the index by about .01."""
LEAST_LEARNT: Final = 500
"""A feature of which the training saw less is not watched."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """The last full window of one feature: the index, and the part that moved most with its shares, in words."""

    psi: float
    moved: str


class Drift:
    """The counters of one model. Without ``learnt`` it watches nothing, which costs nothing."""

    def __init__(
        self,
        version: str = "",
        learnt: Traffic | None = None,
        item_index: Mapping[str, int] | None = None,
        tenth: bytes = b"",
        bound: float = 0.25,
        gauge: Gauge | None = None,
    ) -> None:
        """``tenth``: of each item of the model, its tenth by popularity, 0 for the most popular."""
        told = {feature: parts for feature, parts in (learnt or {}).items() if sum(parts.values()) >= LEAST_LEARNT}
        self._version = version
        self._windows = {feature: _Window(parts) for feature, parts in told.items()}
        self._index = item_index or {}
        self._tenth = tenth
        self._bound = bound
        self._gauge = gauge
        self.found: dict[str, Found] = {}

    @classmethod
    def of(cls, bundle: Bundle, folder: Path, bound: float, gauge: Gauge) -> Self:
        """For the bundle opened from ``folder``; one that keeps no evidence tells nothing to compare with."""
        evidence = bundle.manifest.evidence
        if evidence is None or f"{ITEM_COUNTS}.npy" not in bundle.manifest.files:
            return cls(bundle.version)
        counts = read_array(folder, ITEM_COUNTS, np.int64)
        if len(counts) != len(bundle.item_ids):
            raise Corrupt(f"{folder / ITEM_COUNTS}.npy counts {len(counts)} items of {len(bundle.item_ids)}")
        tenth = popularity_tenths(counts).astype(np.uint8).tobytes()
        return cls(bundle.version, evidence.data.traffic, bundle.item_index, tenth, bound, gauge)

    def count(
        self, question: Question, placement: Placement, customer: CustomerFeatures | None, now_seconds: float
    ) -> None:
        """Count one answer. ``customer`` None: the online store did not answer."""
        if not self._windows or not placement.on_page:
            return
        item_id = _newest_item(question, customer)
        if item_id is not None:
            row = self._index.get(item_id)
            self._add("unknown_items", "unknown" if row is None else "known")
            if row is not None:
                self._add("item_popularity", TENTH_PARTS[self._tenth[row]])
        if question.user_id is None and question.anonymous_id is None:
            self._add("markets", question.market or NO_MARKET)
        elif not question.item_ids and not question.recent_item_ids and _arrives(customer, now_seconds):
            self._add("markets", question.market or NO_MARKET)
            self._count_customer(customer, now_seconds)

    def above(self) -> list[str]:
        """The features whose last window lies above the bound, each in words."""
        return [
            f"{feature} ({found.psi:.2f}; {found.moved})"
            for feature, found in self.found.items()
            if found.psi > self._bound
        ]

    def says(self) -> str:
        """One line about all of it."""
        if not self._windows:
            return "not watched: the model tells no distributions to compare with"
        if above := self.above():
            return f"answers are made from other things than model {self._version} learnt from: {', '.join(above)}"
        compared = f"{len(self.found)} of {len(self._windows)} features compared"
        return f"{compared}, each within {self._bound:g}" if self.found else f"{compared}; {WINDOW} answers are needed"

    def publish(self) -> None:
        """Show the last windows in the gauge."""
        for feature, found in self.found.items():
            if self._gauge is not None:
                self._gauge.labels(feature).set(found.psi)

    def _count_customer(self, customer: CustomerFeatures | None, now_seconds: float) -> None:
        if customer is None:
            self._add("customers", "unread")
            return
        interactions = customer.activity.interactions
        if not interactions:
            self._add("customers", "new")
            return
        last = interactions[-1]
        days = (now_seconds - last.time_us / 1e6) // DAY_SECONDS
        self._add("customers", "known")
        self._add("history_length", LENGTH_PARTS[bisect_right(LENGTHS, min(len(interactions), MAX_INTERACTIONS))])
        self._add("days_away", DAY_PARTS[bisect_right(DAYS, days)])
        self._add("last_kind", KIND_PARTS[last.kind] if last.kind < len(KIND_PARTS) else "other")

    def _add(self, feature: str, part: str) -> None:
        window = self._windows.get(feature)
        if window is None:
            return
        window.counts[part] = window.counts.get(part, 0) + 1
        window.answers += 1
        if window.answers == WINDOW:
            self._compare(feature, window)

    def _compare(self, feature: str, window: "_Window") -> None:
        found = Found(*stability(window.learnt, window.counts))
        was_above = feature in self.found and self.found[feature].psi > self._bound
        self.found[feature] = found
        window.counts, window.answers = {}, 0
        self.publish()
        if found.psi > self._bound and not was_above:
            logger.warning(
                "drift: %s of the last %d answers left what model %s learnt from, stability index %.2f (%s); "
                "see docs/drift.md",
                feature, WINDOW, self._version, found.psi, found.moved,
            )  # fmt: skip
        elif was_above and found.psi <= self._bound:
            logger.info("drift: %s is again what model %s learnt from", feature, self._version)


class _Window:
    """The answers counted for one feature since it was last compared, beside what the training ``learnt``."""

    __slots__ = ("answers", "counts", "learnt")

    def __init__(self, learnt: Mapping[str, int]) -> None:
        self.learnt = learnt
        self.counts: dict[str, int] = {}
        self.answers = 0


def _arrives(customer: CustomerFeatures | None, now_seconds: float) -> bool:
    """Whether nothing came from the customer in the last half hour, as far as we know."""
    if customer is None or not customer.activity.interactions:
        return True
    return now_seconds - customer.activity.interactions[-1].time_us / 1e6 > ARRIVAL_SECONDS


def _newest_item(question: Question, customer: CustomerFeatures | None) -> str | None:
    """The item that the answer follows from before all others: in view, else viewed last."""
    if question.item_ids:
        return question.item_ids[-1]
    if question.recent_item_ids:
        return question.recent_item_ids[-1]
    if customer is not None and customer.activity.interactions:
        return customer.activity.interactions[-1].item_id
    return None
