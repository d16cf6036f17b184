"""What an items file says of the items of a task: product line, category, price."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from feature_repo.errors import BadInput
from training.evaluation.files import CATEGORY, PARENT, PRICE, read_file
from training.evaluation.task import UNKNOWN, positions
from training.interactions import ITEM, Ints


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One row an item of the task's vocabulary [i].

    ``line`` and ``category`` int32 [i]: numbers of the item's product line (its category's parent, the category itself
    at the top of the taxonomy) and of its category, UNKNOWN where the file has none; ``lines``: the names of product
    lines; ``price`` float64 [i], NaN where unknown.
    """

    line: Ints
    category: Ints
    lines: tuple[str, ...]
    price: npt.NDArray[np.float64]

    @classmethod
    def read(cls, path: Path, columns: Mapping[str, str], item_ids: npt.NDArray[np.str_]) -> Self:
        """From a file with ``item`` and any of ``category``, ``parent_category`` and ``price``.

        An item's first row counts. NotFound or BadInput when the file does not fit or holds none of the items.
        """
        named = tuple(name for name in (CATEGORY, PARENT, PRICE) if name in columns)
        frame = read_file(path, columns, (ITEM, *named), (CATEGORY, PARENT, PRICE)).drop_duplicates(ITEM)
        row = positions(item_ids, frame[ITEM].to_numpy(dtype=np.str_))
        if (row == UNKNOWN).all():
            raise BadInput(f"{path} names none of the {len(item_ids):,} items of the training file; check its item ids")
        rows = frame.iloc[row].reset_index(drop=True).mask(row == UNKNOWN)
        nothing = pd.Series([None] * len(rows), dtype=object)
        category = rows.get(CATEGORY, nothing)
        line, lines = pd.factorize(rows.get(PARENT, nothing).fillna(category), sort=True)
        return cls(
            line=line.astype(np.int32),
            category=pd.factorize(category)[0].astype(np.int32),
            lines=tuple(str(name) for name in lines),
            price=rows[PRICE].to_numpy(np.float64) if PRICE in rows else np.full(len(rows), np.nan),
        )

    @property
    def has_categories(self) -> bool:
        return bool((self.line != UNKNOWN).any())

    @property
    def has_prices(self) -> bool:
        return bool((self.price > 0).any())
