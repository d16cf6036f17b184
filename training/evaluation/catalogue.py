"""What is known of the items of a task, from an items file or the lake: product line, category, price, name."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.errors import BadInput
from training.evaluation.files import CATEGORY, NAME, PARENT, PRICE, read_file
from training.evaluation.task import UNKNOWN
from training.interactions import ITEM, Content, Interactions, Ints, Taxonomy


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One row an item of the task's vocabulary [i].

    ``line`` and ``category`` int32 [i]: numbers of the item's product line (its category's parent, the category itself
    at the top of the taxonomy) and of its category, UNKNOWN where the file has none; ``lines``: the names of product
    lines; ``price`` float64 [i], NaN where unknown; ``name`` [i], empty where unknown.
    """

    line: Ints
    category: Ints
    lines: tuple[str, ...]
    price: npt.NDArray[np.float64]
    name: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, columns: Mapping[str, str], item_ids: npt.NDArray[np.str_]) -> Self:
        """From a file with ``item`` and any of ``category``, ``parent_category``, ``price`` and ``name``.

        An item's first row counts. NotFound or BadInput when the file does not fit or holds none of the items.
        """
        told = (CATEGORY, PARENT, PRICE, NAME)
        named = tuple(name for name in told if name in columns)
        frame = read_file(path, columns, (ITEM, *named), told)
        if not frame[ITEM].isin(item_ids.tolist()).any():
            raise BadInput(f"{path} names none of the {len(item_ids):,} items of the training file; check its item ids")
        rows = frame.drop_duplicates(ITEM).set_index(ITEM).reindex(item_ids.tolist())
        nothing = pd.Series(None, index=rows.index, dtype=object)
        category, parent = rows.get(CATEGORY, nothing), rows.get(PARENT, nothing)
        line, lines = pd.factorize(parent.where(parent.notna(), category), sort=True)
        return cls(
            line=line.astype(np.int32),
            category=pd.factorize(category)[0].astype(np.int32),
            lines=tuple(str(name) for name in lines),
            price=np.asarray(pd.to_numeric(rows.get(PRICE, nothing), errors="coerce"), dtype=np.float64),
            name=tuple(str(name) for name in rows.get(NAME, nothing).fillna("")),
        )

    @classmethod
    def of(cls, interactions: Interactions) -> Self | None:
        """What the interactions say of their items themselves; None where they say nothing."""
        taxonomy, content, n = interactions.taxonomy, interactions.content, interactions.n_items
        if taxonomy is None and content is None:
            return None
        unknown = np.full(n, UNKNOWN, np.int32)
        line = taxonomy.parent if taxonomy is not None else unknown
        lines = taxonomy.parents if taxonomy is not None else ()
        return cls(
            line=line,
            category=taxonomy.category if taxonomy is not None else unknown,
            lines=lines or tuple(str(number) for number in range(int(line.max(initial=UNKNOWN)) + 1)),
            price=content.price.astype(np.float64) if content is not None else np.full(n, np.nan),
            name=content.name if content is not None else ("",) * n,
        )

    def describe(self, interactions: Interactions) -> Interactions:
        """The interactions, of the same vocabulary, with what is known of their items."""
        return replace(
            interactions,
            taxonomy=Taxonomy(self.category, self.line, self.lines),
            content=Content(
                name=self.name,
                brand=np.full(len(self.name), UNKNOWN, np.int32),
                price=self.price.astype(np.float32),
                published=np.zeros(len(self.name), np.int64),
            ),
        )

    @property
    def has_categories(self) -> bool:
        return bool((self.line != UNKNOWN).any())

    @property
    def has_prices(self) -> bool:
        return bool((self.price > 0).any())
