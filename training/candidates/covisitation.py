"""Directed co-visitation: what is looked at or bought after an item, sooner and more recently counting more.

Every pair of items within a few steps of one customer's path adds weight from the earlier item to the later one, and
half of it back; weights fall with the steps and the time between the two and with the age of the pair.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from feature_repo.activity import Kind
from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.compiled import add_up, strongest_rows
from training.candidates.covisitation_kernel import count_pairs
from training.candidates.reloads import reloads_are_common
from training.interactions import Floats, History, Interactions, Ints

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class CovisitationSettings:
    window: Annotated[int, Field(ge=1)] = 10
    """Pairs further apart than this many interactions are not counted."""
    step_decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Factor for each step between the two beyond the first."""
    gap_days: Annotated[float, Field(ge=0)] = 7.0
    """The time between the two after which a pair counts 1/e; 0 for never."""
    age_days: Annotated[float, Field(ge=0)] = 60.0
    """The age of a pair, counted from the newest interaction, after which it counts 1/e; 0 for never."""
    backward: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the way from the later item to the earlier one."""
    view: Annotated[float, Field(ge=0)] = 1.0
    wish: Annotated[float, Field(ge=0)] = 2.0
    cart: Annotated[float, Field(ge=0)] = 3.0
    buy: Annotated[float, Field(ge=0)] = 3.0
    """Weight of the item that is led to, by what the customer did with it; 0 leaves such interactions out."""
    returns: bool = True
    """Count the way from an item back to itself, so that items already seen come up as often as customers return."""
    popularity: Annotated[float, Field(ge=0)] = 0.3
    """A target's weight is divided by its number of interactions to this power."""
    neighbours: Annotated[int, Field(ge=1)] = 100
    """Strongest targets kept for each item."""
    length: Annotated[int, Field(ge=1)] = 30
    """Last interactions of the customer that are asked."""
    click_decay: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Factor for each interaction between the asked one and the last."""

    @property
    def weight_of_kind(self) -> Floats:
        weights = np.zeros(max(Kind) + 1, np.float32)
        weights[[Kind.VIEW, Kind.WISH, Kind.CART, Kind.BUY]] = self.view, self.wish, self.cart, self.buy
        return weights


@cache
def _asked_weights(settings: CovisitationSettings) -> Floats:
    """What an interaction says by its kind and by how many came after it, float32 [kinds, length]."""
    decay = settings.click_decay ** np.arange(settings.length)
    return np.asarray(settings.weight_of_kind[:, None] * decay, dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Covisitation:
    """Row ``i`` of the matrix, ``start[i]`` to ``start[i+1]``: int32 ``target`` and float32 ``weight``, best first."""

    name: ClassVar[str] = "covisitation"
    defaults: ClassVar[CovisitationSettings] = CovisitationSettings()

    settings: CovisitationSettings
    start: npt.NDArray[np.int64]
    target: Ints
    weight: Floats
    reloads: bool
    """Whether the item of the last interaction is eligible, see ``reloads_are_common``."""

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: CovisitationSettings | None = None) -> Self:
        """Count the pairs; nothing here is random, ``seed`` is ignored."""
        s = settings or cls.defaults
        of_kind = s.weight_of_kind
        counted = of_kind[interactions.kind] > 0
        user, item, time = interactions.user[counted], interactions.item[counted], interactions.time[counted]
        order = np.lexsort((time, user))
        user, item, time = user[order], item[order], time[order]
        weight = of_kind[interactions.kind[counted][order]]
        if s.age_days > 0 and len(time):
            weight = weight * np.exp(-(time.max() - time) / (s.age_days * DAY)).astype(np.float32)
        frequency = np.bincount(item, minlength=interactions.n_items)
        discount = 1.0 / np.maximum(frequency, 1) ** s.popularity * _says_something(interactions, counted)
        by_item = np.argsort(item, kind="stable")
        item_start = np.concatenate([[0], np.cumsum(frequency)]).astype(np.int64)
        start, target, strength = count_pairs(
            user, item, time, weight, discount.astype(np.float32), by_item, item_start,
            s.window, s.step_decay, s.gap_days * DAY, s.backward, s.returns, s.neighbours,
        )  # fmt: skip
        return cls(s, start, target, strength, s.returns and reloads_are_common(interactions))

    def propose(self, history: History, n: int) -> Candidates:
        """The best ``n`` items; items already seen stay eligible where customers go back to them."""
        asked, weight, _ = self._asked(history)
        if n < 1 or not len(asked):
            return NONE
        without = -1 if self.reloads else int(history.item[-1])
        return Candidates(*add_up(asked, weight, self.start, self.target, self.weight, without, n))

    def because(self, history: History, item: int) -> int | None:
        """The interaction whose row holds most weight for ``item``."""
        return self.because_each(history, np.asarray([item], np.int32))[0]

    def because_each(self, history: History, items: Ints) -> list[int | None]:
        """``because`` for several items, with one look at the rows."""
        asked, weight, positions = self._asked(history)
        rows = strongest_rows(asked, weight, self.start, self.target, self.weight, items)
        return [int(positions[row]) if row >= 0 else None for row in rows.tolist()]

    def save(self, folder: Path) -> None:
        write_array(folder, "start", self.start)
        write_array(folder, "target", self.target)
        write_array(folder, "weight", self.weight)
        write_settings(folder, asdict(self.settings) | {"reloads": self.reloads})

    @classmethod
    def load(cls, folder: Path) -> Self:
        stored = read_settings(folder)
        try:
            reloads = bool(stored.pop("reloads"))
            settings = CovisitationSettings(**stored)
        except (KeyError, TypeError) as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(
            settings,
            read_array(folder, "start", np.int64),
            read_array(folder, "target", np.int32),
            read_array(folder, "weight", np.float32),
            reloads,
        )

    def _asked(self, history: History) -> tuple[Ints, Floats, Ints]:
        """The last interactions, newest first: items, weights, positions in the history."""
        positions = np.arange(len(history.item) - 1, -1, -1, dtype=np.int32)[: self.settings.length]
        items, kinds = history.item[positions], history.kind[positions]
        weight = _asked_weights(self.settings)[kinds, np.arange(len(kinds))]
        known = (items >= 0) & (items < len(self.start) - 1) & (weight > 0)
        return items[known], weight[known], positions[known]


def _says_something(interactions: Interactions, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How much it says of an item [items] that it stands beside another: 1 less the share of visits that hold it.

    What stands in every basket, a bag, stands beside everything and goes with nothing. One visit more than there are is
    counted, so that a shop with a single one still has an answer.
    """
    visits = len(np.unique(interactions.session[counted]))
    held = np.unique(interactions.session[counted].astype(np.int64) * interactions.n_items + interactions.item[counted])
    return np.asarray(1 - np.bincount(held % interactions.n_items, minlength=interactions.n_items) / (visits + 1))


class BoughtTogether(Covisitation):
    """Co-visitation over carts and purchases only: what belongs into the same basket, in either direction."""

    __slots__ = ()
    name: ClassVar[str] = "bought_together"
    defaults: ClassVar[CovisitationSettings] = CovisitationSettings(
        window=30,
        step_decay=1.0,
        gap_days=1.0,
        age_days=180.0,
        backward=1.0,
        returns=False,
        view=0.0,
        wish=0.0,
        cart=1.0,
        buy=2.0,
    )

    def _asked(self, history: History) -> tuple[Ints, Floats, Ints]:
        """Whatever is in view or in the cart is asked, also what was only looked at."""
        positions = np.arange(len(history.item) - 1, -1, -1, dtype=np.int32)[: self.settings.length]
        items = history.item[positions]
        known = (items >= 0) & (items < len(self.start) - 1)
        weight = (self.settings.click_decay ** np.arange(len(positions))).astype(np.float32)
        return items[known], weight[known], positions[known]
