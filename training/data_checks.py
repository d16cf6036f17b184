"""Checks of the data a version was trained on, against the data of the champion: nothing missing, nothing shifted.

Shift is the population stability index, sum of (p - q) ln(p / q) over the parts of a distribution: 0 for the same,
below .1 usually noise, above .25 by custom a change to look into (Siddiqi 2006).
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from feature_repo.activity import Kind
from training.interactions import Interactions, Longs
from training.traffic import TENTHS, Traffic, popularity_tenths, replayed_traffic

DAY_SECONDS: Final = 86_400
LEAST_NEW: Final = 1000
"""Fewer interactions since the champion's last one say nothing about kinds and markets lately; where fewer were to be
expected, their number says nothing either."""
ABSENT: Final = 1e-4
"""The share that a part nobody has counts with: its logarithm must not be infinite."""

Shares = npt.NDArray[np.float64]


class DataProfile(BaseModel):
    """What a training learnt from, in numbers that another training can be compared with."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    first: int
    last: int
    """Seconds since 1970 UTC of the first and last interaction."""
    interactions: int
    kinds: dict[str, int]
    """Interactions by kind, such as ``view``."""
    markets: dict[str, int]
    """Interactions by market; ``(none)`` where it is not told."""
    popularity: tuple[int, ...]
    """Interactions with each tenth of the items that had any, the most popular tenth first."""
    traffic: Traffic = {}
    """What answers would have been made from at the newest interactions, which serving compares its own with."""

    @property
    def a_day(self) -> float:
        return self.interactions / _days(self.first, self.last)


class DataShift(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    since: int
    """Interactions since the champion's last one. With LEAST_NEW over a day or more, kinds and markets are measured on
    them alone, so that what stopped yesterday is not hidden by the year before; else on all."""
    drop: float
    """Share of interactions a day that is missing: .2 is a fifth fewer, below 0 are more. Since the champion's last
    one, where that is a day or more and LEAST_NEW were to be expected, however few came; else of all."""
    fewer: float = 0.0
    """Share of the champion's interactions that is missing, however long it took them to come: a short window has as
    many a day and yet little to learn from."""
    earlier_seconds: int = 0
    """By how much the last interaction lies before the champion's last one; 0 where it does not."""
    psi: dict[str, float]
    """Population stability index of ``event kinds``, ``markets`` and ``item popularity``."""
    moved: dict[str, str]
    """Which part of each distribution moved most, in words."""


def profile_of(interactions: Interactions) -> DataProfile:
    tenth = popularity_tenths(item_counts(interactions))
    whole = _profile(interactions, np.ones(len(interactions), np.bool_), tenth)
    return whole.model_copy(update={"traffic": replayed_traffic(interactions)})


def item_counts(interactions: Interactions) -> Longs:
    """Interactions with each item of the vocabulary, int64 [i]."""
    return np.bincount(interactions.item, minlength=interactions.n_items).astype(np.int64)


def shift_between(
    champion: DataProfile, champion_items: npt.NDArray[np.str_], champion_counts: Longs, interactions: Interactions
) -> DataShift:
    """How ``interactions`` differ from what the champion learnt, whose items had ``champion_counts`` [i].

    Popularity is compared over the champion's tenths, so that items that changed places are seen, with items whose
    interactions the champion did not know as a part of their own.
    """
    tenth_of = dict(zip(champion_items.tolist(), popularity_tenths(champion_counts).tolist(), strict=True))
    tenth = np.array([tenth_of.get(item, TENTHS) for item in interactions.item_ids.tolist()], np.int64)
    whole = _profile(interactions, np.ones(len(interactions), np.bool_), tenth)
    new = interactions.time > champion.last
    a_day_passed = whole.last - champion.last >= DAY_SECONDS
    lately = _profile(interactions, new, tenth) if a_day_passed and new.sum() >= LEAST_NEW else whole
    # A window may begin after the champion's last interaction; what came in between is not asked for.
    expected = champion.a_day * _days(max(champion.last, whole.first), whole.last)
    missing = 1 - new.sum() / expected if a_day_passed and expected >= LEAST_NEW else 1 - whole.a_day / champion.a_day
    compared: dict[str, tuple[Mapping[str, int], Mapping[str, int]]] = {
        "event kinds": (champion.kinds, lately.kinds),
        "markets": (champion.markets, lately.markets),
        "item popularity": (_named(champion.popularity), _named(whole.popularity)),
    }
    found = {name: stability(before, now) for name, (before, now) in compared.items()}
    return DataShift(
        since=int(new.sum()),
        drop=float(missing),
        fewer=1 - whole.interactions / champion.interactions,
        earlier_seconds=max(champion.last - whole.last, 0),
        psi={name: psi for name, (psi, _) in found.items()},
        moved={name: moved for name, (_, moved) in found.items()},
    )


def stability(before: Mapping[str, int], now: Mapping[str, int]) -> tuple[float, str]:
    """The population stability index of counts, and the part that adds most to it with its shares, in words."""
    parts = [part for part in sorted(before.keys() | now.keys()) if before.get(part) or now.get(part)]
    p, q = (_shares(np.array([counts.get(part, 0) for part in parts])) for counts in (now, before))
    terms = (p - q) * np.log(p / q)
    most = int(terms.argmax())
    return float(terms.sum()), f"{parts[most]} from {q[most]:.1%} to {p[most]:.1%}"


def _shares(counts: npt.NDArray[np.int64]) -> Shares:
    return np.asarray(np.maximum(counts / max(counts.sum(), 1), ABSENT))


def _profile(interactions: Interactions, chosen: npt.NDArray[np.bool_], tenth: Longs) -> DataProfile:
    time = interactions.time[chosen]
    market = np.bincount(interactions.market[chosen] + 1, minlength=len(interactions.markets) + 1).tolist()
    kinds, counts = np.unique(interactions.kind[chosen], return_counts=True)
    popularity = np.bincount(tenth[interactions.item[chosen]], minlength=TENTHS + 1).tolist()
    return DataProfile(
        first=time.min(),
        last=time.max(),
        interactions=len(time),
        kinds={Kind(kind).name.lower(): count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True)},
        markets={name: n for name, n in zip(("(none)", *interactions.markets), market, strict=True) if n},
        popularity=tuple(popularity),
    )


def _named(popularity: tuple[int, ...]) -> dict[str, int]:
    names = [f"items of the champion's {number}. tenth" for number in range(1, TENTHS + 1)]
    return dict(zip([*names, "items the champion did not know"], popularity, strict=True))


def _days(first: int, last: int) -> float:
    """At least one: what came within hours cannot be told as so much a day."""
    return max((last - first) / DAY_SECONDS, 1.0)
