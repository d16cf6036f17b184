"""New items: what is new and like what the customer cared for, by category, name, brand and price.

A product that nobody touched yet has no neighbours in anybody's sessions. What it is tells whom it may be for: its
score is how alike it is to each item of the history (Lops, de Gemmis, Semeraro: Content-based Recommender Systems,
2011), divided by how alike it is to the assortment as a whole, so that what is like everything is not for everybody.
A touch of something that was new itself counts more: some customers take to novelties. Mapping content to collaborative
factors (Gantner et al., ICDM 2010) or borrowing the neighbours of like items did no better: ``docs/decisions/0013-…``.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from training.arrays import read_array, read_settings_as, write_array, write_settings
from training.candidates.candidate import NONE, Candidates
from training.candidates.compiled import compiled
from training.candidates.interest import interest
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints, Longs
from training.item_features import FieldWeights, Matrix, item_features

DAY: Final = 86_400
CENSORED: Final = 30 * DAY
"""An item first touched this soon after the data begin may have been there for years."""
MOST: Final = 10_000
"""New items kept, the latest published first: an answer looks at all of them."""


@dataclass(frozen=True, slots=True)
class NewItemsSettings:
    most_customers: Annotated[int, Field(ge=0)] = 5
    """An item is new as long as no more customers touched it."""
    young_days: Annotated[float, Field(gt=0)] = 90.0
    """And as long as it was published this long before the newest interaction, where that is known."""
    half_life_days: Annotated[float, Field(gt=0)] = 240.0
    """The age at which a touch counts half."""
    step: Annotated[float, Field(gt=0, le=1)] = 0.7
    """What a click counts for each later one of the same visit."""
    novelty: Annotated[float, Field(ge=0)] = 1.0
    """How much more a touch counts of what was new then."""
    novelty_days: Annotated[float, Field(gt=0)] = 60.0
    prior: Annotated[float, Field(gt=0)] = 0.1
    """Added to an item's likeness to the assortment, in shares of the mean, so that the odd one out is not for all."""
    name: Annotated[float, Field(ge=0)] = 1.0
    """Weights of the fields, as in ``FieldWeights``."""
    category: Annotated[float, Field(ge=0)] = 0.8
    parent: Annotated[float, Field(ge=0)] = 0.2
    brand: Annotated[float, Field(ge=0)] = 0.2
    price: Annotated[float, Field(ge=0)] = 0.01

    @property
    def fields(self) -> FieldWeights:
        return FieldWeights(self.name, self.category, self.parent, self.brand, self.price)


_LONGS: Final = ("start", "having_start", "born")
_INTS: Final = ("feature", "new", "having")
_FLOATS: Final = ("value", "having_value", "usual")


@dataclass(frozen=True, slots=True)
class NewItems:
    """Rows of ``item_features``: ``start`` int64 [items + 1], ``feature`` int32, ``value`` float32; ``new`` int32 [c],
    the items to propose, and their columns: ``having_start`` int64 [features + 1], ``having`` int32, places in ``new``,
    ``having_value`` float32; ``usual`` float32 [c], their likeness to the assortment; ``born`` int64 [items], seconds,
    when an item came into the assortment, 0 where that is not known.

    It knows nothing of customers whose history has no item that anything is known of, and then proposes nothing.
    """

    name: ClassVar[str] = "new_items"
    defaults: ClassVar[NewItemsSettings] = NewItemsSettings()

    start: Longs
    feature: Ints
    value: Floats
    new: Ints
    having_start: Longs
    having: Ints
    having_value: Floats
    usual: Floats
    born: Longs
    settings: NewItemsSettings

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: NewItemsSettings | None = None) -> Self:
        """Describe items; nothing here is random, ``seed`` is ignored."""
        settings = settings or cls.defaults
        features = item_features(interactions, settings.fields)
        born = _born(interactions)
        new = _new(interactions, features, settings)
        touched = np.bincount(interactions.item, minlength=interactions.n_items) > 0
        everything = np.asarray(features[touched].sum(axis=0), np.float32).ravel()
        usual = np.asarray(features[new] @ everything, np.float32)
        usual = usual + settings.prior * max(float(usual.mean()) if len(usual) else 0.0, 1e-6)
        columns = features[new].tocsc()
        return cls(
            features.indptr.astype(np.int64),
            features.indices.astype(np.int32),
            features.data.astype(np.float32),
            new,
            columns.indptr.astype(np.int64),
            columns.indices.astype(np.int32),
            columns.data.astype(np.float32),
            usual.astype(np.float32),
            born,
            settings,
        )

    def propose(self, history: History, n: int) -> Candidates:
        """New items alike to what the history holds; nothing where it holds nothing that is described."""
        if n < 1 or not len(history.item) or not len(self.new):
            return NONE
        taste, liked = _taste(self.start, self.feature, self.value, history.item, self._weights(history), self._n)
        likeness = _likeness(self.having_start, self.having, self.having_value, taste, liked, len(self.new))
        best = top(likeness / self.usual, n)
        return Candidates(self.new[best.item], best.score)

    def because(self, history: History, item: int) -> int | None:
        """The touch that adds most to the item's score, of equal ones the latest."""
        if not len(history.item) or not 0 <= item < len(self.start) - 1:
            return None
        one = np.array([item], np.int32)
        wanted, _ = _taste(self.start, self.feature, self.value, one, np.ones(1, np.float32), self._n)
        shares = self._weights(history) * _each(self.start, self.feature, self.value, history.item, wanted)
        strongest = len(shares) - 1 - int(shares[::-1].argmax())
        return strongest if shares[strongest] > 0 else None

    def save(self, folder: Path) -> None:
        for name in (*_LONGS, *_INTS, *_FLOATS):
            write_array(folder, name, getattr(self, name))
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        settings = read_settings_as(folder, NewItemsSettings)
        start, having_start, born = (read_array(folder, name, np.int64) for name in _LONGS)
        feature, new, having = (read_array(folder, name, np.int32) for name in _INTS)
        value, having_value, usual = (read_array(folder, name, np.float32) for name in _FLOATS)
        return cls(start, feature, value, new, having_start, having, having_value, usual, born, settings)

    @property
    def _n(self) -> int:
        return len(self.having_start) - 1

    def _weights(self, history: History) -> Floats:
        """What each touch of the history says, float32 [m]."""
        s = self.settings
        return _weights(
            history.item, interest(history.kind), history.time, history.in_session, history.now, self.born,
            s.half_life_days * DAY, s.step, s.novelty, s.novelty_days * DAY,
        )  # fmt: skip


def _born(interactions: Interactions) -> Longs:
    """When each item came into the assortment: int64 [items], 0 where that may have been before the data begin."""
    never = np.iinfo(np.int64).max
    first = np.full(interactions.n_items, never)
    np.minimum.at(first, interactions.item, interactions.time)
    begins = interactions.time.min(initial=never)
    published = np.zeros_like(first) if interactions.content is None else interactions.content.published
    born = np.minimum(first, np.where(published > 0, published, never))
    unknown = (born == never) | ((born == first) & (first - begins < CENSORED))
    return np.where(unknown, 0, born).astype(np.int64)


def _new(interactions: Interactions, features: Matrix, settings: NewItemsSettings) -> Ints:
    """The items to propose, int32, by number: described, young where that is known, and touched by few or none."""
    pairs = np.unique(np.stack((interactions.item, interactions.user)), axis=1)
    few = np.bincount(pairs[0], minlength=interactions.n_items) <= settings.most_customers
    published = np.zeros(interactions.n_items) if interactions.content is None else interactions.content.published
    newest = interactions.time.max(initial=0)
    young = (published == 0) | (newest - published <= settings.young_days * DAY)
    new = np.flatnonzero(few & young & (np.diff(features.indptr) > 0))
    return np.sort(new[np.argsort(-published[new], kind="stable")[:MOST]]).astype(np.int32)


@compiled
def _weights(
    item: Ints,
    interest: Floats,
    time: Longs,
    in_session: npt.NDArray[np.bool_],
    now: int,
    born: Longs,
    half_life: float,
    step: float,
    novelty: float,
    novel_for: float,
) -> Floats:
    """Interest that fades with age and with each later click of the visit, and grows for what was new; seconds."""
    weight = np.empty(len(item), np.float32)
    later = 0
    for at in range(len(item) - 1, -1, -1):
        said = interest[at] * 2.0 ** (-max(now - time[at], 0) / half_life)
        if in_session[at]:
            said *= step**later
            later += 1
        if born[item[at]] > 0 and time[at] - born[item[at]] < novel_for:
            said *= 1 + novelty
        weight[at] = said
    return weight


@compiled
def _taste(
    start: Longs, feature: Ints, value: Floats, items: Ints, weight: Floats, n_features: int
) -> tuple[Floats, Ints]:
    """The weighted sum of the items' rows, float32 [n_features], and the features that any of them has."""
    taste = np.zeros(n_features, np.float32)
    seen = np.zeros(n_features, np.bool_)
    liked = np.empty(n_features, np.int32)
    found = 0
    for row in range(len(items)):
        for place in range(start[items[row]], start[items[row] + 1]):
            column = feature[place]
            taste[column] += weight[row] * value[place]
            if not seen[column]:
                seen[column] = True
                liked[found] = column
                found += 1
    return taste, liked[:found]


@compiled
def _likeness(start: Longs, having: Ints, value: Floats, taste: Floats, liked: Ints, n: int) -> Floats:
    """The inner product of ``taste`` with each of ``n`` rows, given by column: float32 [n]."""
    likeness = np.zeros(n, np.float32)
    for column in liked:
        for place in range(start[column], start[column + 1]):
            likeness[having[place]] += taste[column] * value[place]
    return likeness


@compiled
def _each(start: Longs, feature: Ints, value: Floats, items: Ints, wanted: Floats) -> Floats:
    """The inner product of ``wanted`` with each item's row, float32 [items]."""
    likeness = np.zeros(len(items), np.float32)
    for row in range(len(items)):
        for place in range(start[items[row]], start[items[row] + 1]):
            likeness[row] += value[place] * wanted[feature[place]]
    return likeness
