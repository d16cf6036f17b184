"""The catalogue in memory: what each market sells right now, as masks that filter candidates in microseconds.

A product has a base record and may have a record of its own for a market, which replaces the base there. In a shop
that sends no product feed every item counts as sold, once the feed is known to be empty; with the first product that
arrives, only what the catalogue holds is.

Not for threads: feed, requests and model swaps all run on the service's event loop.
"""

import weakref
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from ingestion.contracts.product import StoredProduct
from serving.taxonomy import Taxonomy

Mask = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int32]

_ABSENT: Final = 0
"""The row that stands for every item the catalogue does not hold."""
_OTHER: Final = ""
"""The market that stands for all markets without a record of their own."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One product as one market sells it: what filters and answers need of a record."""

    name: str | None
    category_id: str | None
    price: float | None
    currency: str | None
    url: str | None
    image_url: str | None
    rebuyable: bool
    shown: bool
    """In stock and not hidden."""

    @classmethod
    def of(cls, record: StoredProduct) -> "Offer":
        return cls(
            name=record.name,
            category_id=record.category_id,
            price=record.price,
            currency=record.currency,
            url=record.url,
            image_url=record.image_url,
            rebuyable=record.rebuyable,
            shown=record.in_stock and not record.hidden,
        )


class Alignment:
    """Where a model's items stand in the catalogue: ``rows`` int32 [n_items], kept true as products are added."""

    __slots__ = ("__weakref__", "index", "rows")

    def __init__(self, index: Mapping[str, int], rows: Rows) -> None:
        self.index = index
        self.rows = rows


class Catalogue:
    def __init__(self) -> None:
        self.taxonomy = Taxonomy()
        self._whole = False
        self._row_of: dict[str, int] = {}
        self._item_ids: list[str] = [""]
        self._offers: list[dict[str | None, Offer]] = [{}]
        self._published: npt.NDArray[np.int64] = np.zeros(1024, np.int64)
        self._markets: set[str] = set()
        self._ever_in: defaultdict[str, set[int]] = defaultdict(set)
        """Category to the rows that any market has, or had, there."""
        self._shown: dict[str | None, Mask] = {}
        self._by_age: Rows | None = None
        self._alignments: weakref.WeakSet[Alignment] = weakref.WeakSet()

    def __len__(self) -> int:
        return len(self._row_of)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._row_of

    def __iter__(self) -> Iterator[str]:
        return iter(self._row_of)

    def apply(self, record: StoredProduct) -> None:
        """Take over a record, which replaces the earlier one of its item and market."""
        row = self._row_of.get(record.item_id)
        if row is None:
            row = self._add(record.item_id)
        if record.market is not None and record.market not in self._markets:
            self._markets.add(record.market)
            self._shown.pop(record.market, None)
        self._offers[row][record.market] = Offer.of(record)
        if record.category_id is not None:
            self._ever_in[record.category_id].add(row)
        published = record.published_at or record.updated_at
        if record.published_at or not self._published[row]:
            self._published[row] = int(published.timestamp() * 1e6)
            self._by_age = None
        for market, shown in self._shown.items():
            shown[row] = self._is_shown(row, market)

    def settle(self) -> None:
        """All records there are have arrived; only now does an item without one count as sold, if there is none."""
        self._whole = True
        for market, shown in self._shown.items():
            shown[_ABSENT] = self._is_shown(_ABSENT, market)

    def align(self, index: Mapping[str, int]) -> Alignment:
        """Tie a model's vocabulary (item id to position) to the catalogue, for as long as the result is held."""
        rows = np.fromiter((self._row_of.get(item_id, _ABSENT) for item_id in index), np.int32, len(index))
        positions = np.fromiter(index.values(), np.int64, len(index))
        aligned = np.zeros(len(index), np.int32)
        aligned[positions] = rows
        alignment = Alignment(index, aligned)
        self._alignments.add(alignment)
        return alignment

    def shown(self, market: str | None, category_ids: Collection[str] = ()) -> Mask:
        """Which rows may be shown in ``market``, bool [rows]; with categories, only those in or below one of them.

        Without a market, a product that has no base record is shown if every market that sells it shows it.
        """
        key = market if market is None or market in self._markets else _OTHER
        shown = self._shown.get(key)
        if shown is None:
            shown = np.zeros(len(self._published), np.bool_)
            shown[: len(self._offers)] = [self._is_shown(row, key) for row in range(len(self._offers))]
            self._shown[key] = shown
        if not category_ids:
            return shown
        wanted = self.taxonomy.below(category_ids)
        inside = np.zeros_like(shown)
        for row in set().union(*(self._ever_in[category] for category in wanted if category in self._ever_in)):
            offer = self._offer(row, market)
            inside[row] = offer is not None and offer.category_id in wanted
        return shown & inside

    def newest(self, mask: Mask, n: int) -> list[str]:
        """The latest published items of a mask made by ``shown``."""
        if self._by_age is None:
            self._by_age = np.argsort(-self._published[: len(self._offers)], kind="stable").astype(np.int32)
        rows = self._by_age[mask[self._by_age]][: n + 1]
        return [self._item_ids[row] for row in rows if row != _ABSENT][:n]

    def row(self, item_id: str) -> int:
        """The item's row in every mask; unknown items share one row."""
        return self._row_of.get(item_id, _ABSENT)

    def offer(self, item_id: str, market: str | None) -> Offer | None:
        """The product as ``market`` sells it; None where it does not."""
        row = self._row_of.get(item_id)
        return None if row is None else self._offer(row, market)

    def name(self, item_id: str, market: str | None) -> str:
        """What to call the item in a sentence: its name, else its id."""
        offer = self.offer(item_id, market)
        return offer.name if offer is not None and offer.name else item_id

    def _add(self, item_id: str) -> int:
        row = len(self._item_ids)
        if row == 1:
            for shown in self._shown.values():
                shown[_ABSENT] = False
        if row == len(self._published):
            self._published = np.concatenate([self._published, np.zeros_like(self._published)])
            self._shown = {market: np.concatenate([s, np.zeros_like(s)]) for market, s in self._shown.items()}
        self._row_of[item_id] = row
        self._item_ids.append(item_id)
        self._offers.append({})
        for alignment in self._alignments:
            position = alignment.index.get(item_id)
            if position is not None:
                alignment.rows[position] = row
        return row

    def _offer(self, row: int, market: str | None) -> Offer | None:
        offers = self._offers[row]
        own = offers.get(market)
        if own is not None or market is not None:
            return own or offers.get(None)
        return next(iter(offers.values()), None)

    def _is_shown(self, row: int, market: str | None) -> bool:
        if row == _ABSENT:
            return self._whole and not self._row_of
        offers = self._offers[row]
        if market is None and None not in offers:
            return all(offer.shown for offer in offers.values())
        offer = offers.get(market) or offers.get(None)
        return offer is not None and offer.shown
