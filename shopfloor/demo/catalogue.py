"""The demo shop's catalogue: categories and products as columns of numbers, and as records of the contracts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt

from ingestion.contracts.product import Product
from ingestion.contracts.taxonomy import Category
from shopfloor.demo.assortment import (
    BRANDS,
    GOES_WITH,
    MARKETS,
    NEW_LINE,
    NEW_LINE_BRAND,
    NEW_LINE_LEAVES,
    SERIES,
    TREE,
    Leaf,
    MarketPlace,
)

N_STYLES = 4
NEW_LINE_DAYS = 6
NEW_LINE_PER_LEAF = 4
MIN_PER_LEAF = 4

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """n products in c leaves of the tree and m markets."""

    leaves: tuple[Leaf, ...]
    paths: tuple[tuple[str, str, str], ...]
    """Names of the three levels, for each leaf."""
    root: Ints
    """[c] number of the leaf's top category."""
    middle: Ints
    """[c] number of the leaf's middle category."""
    goes_with: Floats
    """[c, c]: rows sum to 1 or 0; what is wanted after the row's category."""
    item_ids: tuple[str, ...]
    names: tuple[str, ...]
    brand: Ints
    """[n] position in BRANDS."""
    leaf: Ints
    """[n]"""
    price: Floats
    """[n] euro."""
    price_z: Floats
    """[n] how dear it is within its leaf: standard deviations of the log price, cut at 2."""
    style: Floats
    """[n, N_STYLES] what it looks and feels like; like-minded customers agree on it."""
    popularity: Floats
    """[n, m] log popularity, long-tailed; markets agree for the most part."""
    age_days: Ints
    """[n] days since its launch, counted back from ``now``."""
    sold: Flags
    """[n, m] part of the market's assortment."""
    in_stock: Flags
    """[n, m] can be had at ``now``."""
    local_price: Floats
    """[n, m] in the market's currency."""

    @property
    def n_items(self) -> int:
        return len(self.item_ids)

    @property
    def markets(self) -> tuple[MarketPlace, ...]:
        return MARKETS

    @classmethod
    def create(cls, rng: np.random.Generator, n_items: int) -> Self:
        """A catalogue of ``n_items`` products, or more where the categories need them; the generator decides it."""
        paths = tuple((top, mid, leaf.name) for top, mids in TREE.items() for mid, row in mids.items() for leaf in row)
        leaves = tuple(leaf for mids in TREE.values() for row in mids.values() for leaf in row)
        number = {leaf.name: i for i, leaf in enumerate(leaves)}
        new_line = np.repeat([number[name] for name in NEW_LINE_LEAVES], NEW_LINE_PER_LEAF)
        at_least = np.repeat(np.arange(len(leaves)), MIN_PER_LEAF)
        weights = rng.gamma(4.0, size=len(leaves))
        further = max(n_items - len(new_line) - len(at_least), 0)
        regular = np.concatenate([at_least, rng.choice(len(leaves), size=further, p=weights / weights.sum())])
        leaf_of = np.concatenate([np.sort(regular), new_line])
        is_new = np.arange(len(leaf_of)) >= len(regular)
        n = len(leaf_of)
        brand = np.where(is_new, BRANDS.index(NEW_LINE_BRAND), rng.integers(len(BRANDS), size=n))
        dearness = rng.normal(0, 0.35, n) + np.linspace(0.45, -0.45, len(BRANDS))[brand]
        price = np.array([leaf.price for leaf in leaves])[leaf_of] * np.exp(dearness)
        sold = rng.random((n, len(MARKETS))) < 0.86
        sold[~sold.any(axis=1), 0] = True
        return cls(
            leaves=leaves,
            paths=paths,
            root=_numbers([path[:1] for path in paths]),
            middle=_numbers([path[:2] for path in paths]),
            goes_with=_goes_with(number),
            item_ids=tuple(f"{100000 + 17 * i}" for i in range(n)),
            names=_names(rng, leaves, leaf_of, brand, is_new),
            brand=brand,
            leaf=leaf_of,
            price=price,
            price_z=np.clip(dearness / 0.45, -2, 2),
            style=rng.normal(0, 1, (n, N_STYLES)),
            popularity=_popularity(rng, n)[:, None] + rng.normal(0, 0.35, (n, len(MARKETS))),
            age_days=np.where(is_new, NEW_LINE_DAYS, np.where(rng.random(n) < 0.08, rng.integers(1, 60, n), 400)),
            sold=sold,
            in_stock=rng.random((n, len(MARKETS))) < 0.97,
            local_price=np.stack([_shelf_price(price, place) for place in MARKETS], axis=1),
        )

    def categories(self) -> Iterator[Category]:
        """The tree, parents before children."""
        seen: set[str] = set()
        for path in self.paths:
            for depth in range(1, len(path) + 1):
                category_id = category_id_of(path[:depth])
                if category_id not in seen:
                    seen.add(category_id)
                    parent = category_id_of(path[: depth - 1]) if depth > 1 else None
                    yield Category(category_id=category_id, parent_id=parent, name=path[depth - 1])

    def products(self, now: datetime) -> Iterator[Product]:
        """One record for each product and market that sells it; launch dates count back from ``now``."""
        for i, item_id in enumerate(self.item_ids):
            leaf = int(self.leaf[i])
            for m in np.flatnonzero(self.sold[i]):
                yield Product(
                    item_id=item_id,
                    market=MARKETS[m].market,
                    name=self.names[i],
                    brand=BRANDS[self.brand[i]],
                    category_id=category_id_of(self.paths[leaf]),
                    price=float(self.local_price[i, m]),
                    currency=MARKETS[m].currency,
                    in_stock=bool(self.in_stock[i, m]),
                    rebuyable=self.leaves[leaf].gap > 0 or self.leaves[leaf].price < 40,
                    published_at=now - timedelta(days=int(self.age_days[i])),
                    url=f"https://shop.example/p/{item_id}",
                )


def category_id_of(path: tuple[str, ...]) -> str:
    """``("Camping", "Camp Kitchen")`` -> ``camping/camp-kitchen``."""
    return "/".join(re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in path)


def _numbers(names: list[tuple[str, ...]]) -> Ints:
    order = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], dtype=np.int64)


def _goes_with(number: dict[str, int]) -> Floats:
    matrix = np.zeros((len(number), len(number)))
    for name, others in GOES_WITH.items():
        for rank, other in enumerate(others):
            matrix[number[name], number[other]] = 1.0 / (1 + rank)
    total = matrix.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(matrix, total, out=np.zeros_like(matrix), where=total > 0))


def _names(
    rng: np.random.Generator, leaves: tuple[Leaf, ...], leaf_of: Ints, brand: Ints, is_new: Flags
) -> tuple[str, ...]:
    """Brand, series, what it is and the variant; each name once."""
    names: dict[str, None] = {}
    for leaf_number, brand_number, new in zip(leaf_of, brand, is_new, strict=True):
        leaf = leaves[leaf_number]
        for attempt in range(1000):
            series = NEW_LINE if new else SERIES[rng.integers(len(SERIES))]
            variant = leaf.variants[rng.integers(len(leaf.variants))]
            edition = "" if attempt < 20 else f" {1 + attempt // 20}"
            name = f"{BRANDS[brand_number]} {series}{edition} {leaf.noun} {variant}".strip()
            if name not in names:
                names[name] = None
                break
    return tuple(names)


def _popularity(rng: np.random.Generator, n: int) -> Floats:
    """Logarithm of a Zipf-like popularity: a head of favourites and a long tail."""
    return np.asarray(-0.75 * np.log(rng.permutation(n) + 5.0) + 0.75 * np.log(n / 2))


def _shelf_price(euro: Floats, place: MarketPlace) -> Floats:
    """As it stands on the shelf: whole crowns ending in 9, else ending in .95 or .90."""
    local = euro * place.per_euro
    if place.per_euro > 5:
        return np.asarray(np.maximum(np.round(local / 10) * 10 - 1, 9.0))
    return np.where(local < 20, np.maximum(np.round(local, 1), 0.5), np.round(local) - 0.05)
