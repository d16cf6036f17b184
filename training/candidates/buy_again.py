"""Buy again: what this customer orders again and again, filled up with what everybody orders.

GP-TopFreq (Li et al.: A Next Basket Recommendation Reality Check, TOIS 2023): personal frequency blended with group
frequency. Two things are added. Later orders count more than earlier ones (as in TIFU-KNN, Hu et al., SIGIR 2020), and
an item counts by its repeat interest, the share of its buyers who bought it more than once: milk comes back, a kettle
does not.

Where a page is about buying again, ``BuyAgainWhenDue`` holds back what was bought so lately that it cannot be used up.
It finds the next order no better (``docs/decisions/0014-…``), so the other pages go without.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.interest import decay
from training.candidates.pauses import DAY_SECONDS, Pauses, fit_pauses
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints

SPREAD: Final = "pause_spread"


@dataclass(frozen=True, slots=True)
class BuyAgainSettings:
    order_decay: Annotated[float, Field(gt=0, le=1)] = 0.9
    """What an order counts for each later order of the same customer."""
    repeat_power: Annotated[float, Field(ge=0)] = 0.5
    """How much the repeat interest of an item bends its personal frequency; 0 for not at all."""
    repeat_prior: Annotated[float, Field(gt=0)] = 20.0
    """Buyers that the average repeat interest is worth in every item's."""
    group: Annotated[float, Field(ge=0)] = 4.0
    """Weight of the share of all orders that hold an item; 0 proposes the customer's own items only."""
    group_half_life_days: Annotated[float, Field(gt=0)] = 60.0
    ready_share: Annotated[float, Field(ge=0)] = 0.0
    """Share of an item's usual pause between purchases after which it counts half; 0: pauses are not looked at."""


@dataclass(frozen=True, slots=True)
class BuyAgain:
    """``repeat`` float32 [items], 1 for the average; ``share`` float32 [items] of all orders; ``favourites`` int32
    [items], by share, best first; ``pauses`` only where they are looked at and known.

    An order is what a customer bought at one time. It needs nothing but the history, and proposes nothing to somebody
    who never bought; ``because`` names no reason for items that are the group's and not the customer's.
    """

    name: ClassVar[str] = "buy_again"
    defaults: ClassVar[BuyAgainSettings] = BuyAgainSettings()

    repeat: Floats
    share: Floats
    favourites: Ints
    settings: BuyAgainSettings
    pauses: Pauses | None = None

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: BuyAgainSettings | None = None) -> Self:
        """Count purchases; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        bought = interactions.kind == Kind.BUY
        user, item, time = interactions.user[bought], interactions.item[bought], interactions.time[bought]
        lines = np.unique(np.stack((user, time, item)), axis=1)
        user, time, item = lines
        weight = decay(time.max(initial=0) - time, settings.group_half_life_days)
        opens = np.any(np.diff(lines[:2], axis=1, prepend=-1) != 0, axis=0)
        orders = max(float(weight[opens].sum()), 1e-30)
        share = (np.bincount(item, weight, interactions.n_items) / orders).astype(np.float32)
        return cls(
            _repeat_interest(user, item, interactions.n_items, settings),
            share,
            np.argsort(-share, kind="stable").astype(np.int32),
            settings,
            fit_pauses(user, item, time, interactions.n_items) if settings.ready_share > 0 else None,
        )

    def propose(self, history: History, n: int) -> Candidates:
        """The customer's own items by frequency and the group's by share; nothing for who never bought."""
        own, frequency = self._frequency(history)
        if n < 1 or not len(own):
            return NONE
        item, score = own, frequency * self.repeat[own]
        if self.settings.group > 0:
            favourites = self.favourites[: n + len(own)]
            item = np.concatenate((own, favourites[~np.isin(favourites, own)]))
            score = np.pad(score, (0, len(item) - len(own))) + self.settings.group * self.share[item]
        if self.pauses is not None:
            score[: len(own)] *= self.pauses.readiness(own, _days_since(history, own), self.settings.ready_share)
        best = top(score.astype(np.float32), n)
        return Candidates(item[best.item].astype(np.int32), best.score)

    def because(self, history: History, item: int) -> int | None:
        """The latest purchase of the item itself."""
        bought = np.flatnonzero((history.item == item) & (history.kind == Kind.BUY))
        return int(bought[history.time[bought].argmax()]) if len(bought) else None

    def save(self, folder: Path) -> None:
        write_array(folder, "repeat", self.repeat)
        write_array(folder, "share", self.share)
        write_array(folder, "favourites", self.favourites)
        spread = None if self.pauses is None else self.pauses.spread
        write_settings(folder, asdict(self.settings) | {SPREAD: spread})
        if self.pauses is not None:
            write_array(folder, "usual_pause", self.pauses.usual)

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = read_settings(folder)
        spread = stored.pop(SPREAD, None)
        try:
            settings = BuyAgainSettings(**stored)
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(
            read_array(folder, "repeat", np.float32),
            read_array(folder, "share", np.float32),
            read_array(folder, "favourites", np.int32),
            settings,
            None if spread is None else Pauses(read_array(folder, "usual_pause", np.float32), float(spread)),
        )

    def _frequency(self, history: History) -> tuple[Ints, Floats]:
        """The distinct items bought, and the decayed share of the customer's orders that hold each."""
        bought = history.kind == Kind.BUY
        if not bought.any():
            return NONE
        times, order = np.unique(history.time[bought], return_inverse=True)
        weight = self.settings.order_decay ** np.arange(len(times) - 1, -1, -1, dtype=np.float32)
        lines = np.unique(np.stack((order, history.item[bought])), axis=1)
        item, place = np.unique(lines[1], return_inverse=True)
        return item.astype(np.int32), (np.bincount(place, weight[lines[0]]) / weight.sum()).astype(np.float32)


class BuyAgainWhenDue(BuyAgain):
    """Buy again, but nothing leads that was bought so lately that it cannot be used up: for the page of that name."""

    __slots__ = ()
    name: ClassVar[str] = "buy_again_due"
    defaults: ClassVar[BuyAgainSettings] = BuyAgainSettings(ready_share=0.15)


def _days_since(history: History, item: Ints) -> npt.NDArray[np.float64]:
    """Days from the last purchase of each ``item`` [k], ascending and all of them bought, to the question."""
    bought = history.kind == Kind.BUY
    last = np.zeros(len(item), np.int64)
    np.maximum.at(last, np.searchsorted(item, history.item[bought]), history.time[bought])
    return (history.now - last) / DAY_SECONDS


def _repeat_interest(
    user: npt.NDArray[np.int64], item: npt.NDArray[np.int64], n_items: int, settings: BuyAgainSettings
) -> Floats:
    """Each item's share of buyers with a second order of it, relative to the average and bent by ``repeat_power``."""
    pairs, orders = np.unique(np.stack((user, item)), axis=1, return_counts=True)
    buyers = np.bincount(pairs[1], minlength=n_items)
    returned = np.bincount(pairs[1], orders > 1, n_items)
    if not returned.any():
        return np.ones(n_items, np.float32)
    average = returned.sum() / buyers.sum()
    interest = (returned + settings.repeat_prior * average) / (buyers + settings.repeat_prior)
    return np.asarray((interest / average) ** settings.repeat_power, dtype=np.float32)
