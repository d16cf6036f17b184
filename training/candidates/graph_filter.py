"""Graph filter: items that the same customers cared for, in closed form.

GF-CF (Shen et al.: How Powerful is Graph Convolution for Recommendation?, CIKM 2021) shows that graph networks for
recommendation filter the customer-item graph, and that its linear low-pass filter, the normalised item-item gram, is
about as good without any training. Here the powers of the two degrees are settings, as in Turbo-CF (Park et al., SIGIR
2024): less weight taken from active customers and popular items than GF-CF's one half is worth more than the singular
vectors that GF-CF adds, which are left out. Each item keeps its strongest neighbours only.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from feature_repo.errors import Corrupt
from training.arrays import read_array, read_settings, write_array, write_settings
from training.candidates.als import preferences
from training.candidates.candidate import NONE, Candidates
from training.candidates.interest import strongest
from training.candidates.top import top
from training.interactions import Floats, History, Interactions, Ints, Longs

BLOCK: Final = 512
"""Items whose neighbours are counted at once; it bounds the memory of fitting, not the result."""


@dataclass(frozen=True, slots=True)
class GraphFilterSettings:
    user_power: float = 0.3
    item_power: float = 0.4
    """A customer and an item count by their summed interest to minus this power; GF-CF has one half for both."""
    neighbours: int = 400
    half_life_days: float = 0.0
    """Age after which an interaction of the history counts half; 0 for never."""


@dataclass(frozen=True, slots=True)
class GraphFilter:
    """Neighbours of item i: ``item[start[i]:start[i + 1]]``, with ``weight``. ``start`` int64 [items + 1], ``item``
    int32, ``weight`` float32."""

    name: ClassVar[str] = "graph_filter"

    start: Longs
    item: Ints
    weight: Floats
    settings: GraphFilterSettings

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0, settings: GraphFilterSettings | None = None) -> Self:
        """Count; nothing here is random, ``seed`` is ignored."""
        settings = settings or GraphFilterSettings()
        normal = _normalised(preferences(interactions), settings)
        transposed = normal.T.tocsr()
        items, weights, counts = [], [], []
        for first in range(0, interactions.n_items, BLOCK):
            gram = transposed[first : first + BLOCK] @ normal
            for row in range(gram.shape[0]):
                piece = slice(gram.indptr[row], gram.indptr[row + 1])
                item, weight = _strongest(gram.indices[piece], gram.data[piece], settings.neighbours)
                items.append(item)
                weights.append(weight)
                counts.append(len(item))
        start = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return cls(start, np.concatenate(items), np.concatenate(weights), settings)

    def propose(self, history: History, n: int) -> Candidates:
        """The items that the history's items point at most strongly, these items among them."""
        known, weight = strongest(history, self.settings.half_life_days)
        if n < 1 or not len(known):
            return NONE
        rows = [slice(self.start[i], self.start[i + 1]) for i in known]
        votes = np.concatenate([self.weight[row] * w for row, w in zip(rows, weight, strict=True)])
        scores = np.bincount(np.concatenate([self.item[row] for row in rows]), votes, len(self.start) - 1)
        return top(scores.astype(np.float32), n)

    def propose_batch(self, histories: Sequence[History], n: int) -> list[Candidates]:
        n_items = len(self.start) - 1
        table = sp.csr_matrix((self.weight, self.item, self.start), shape=(n_items, n_items))
        known = [strongest(history, self.settings.half_life_days) for history in histories]
        ends = np.cumsum([0, *(len(item) for item, _ in known)])
        asked = sp.csr_matrix(
            (np.concatenate([w for _, w in known]), np.concatenate([i for i, _ in known]), ends),
            shape=(len(histories), n_items),
        )
        return [top(scores, n) for scores in (asked @ table).toarray()]

    def because(self, history: History, item: int) -> int | None:
        """The newest touch of the item that votes most for ``item``."""
        known, weight = strongest(history, self.settings.half_life_days)
        votes = [self._vote(int(i), item) * w for i, w in zip(known, weight, strict=True)]
        if not votes or max(votes) <= 0:
            return None
        return int(np.flatnonzero(history.item == known[int(np.argmax(votes))])[-1])

    def save(self, folder: Path) -> None:
        write_array(folder, "start", self.start)
        write_array(folder, "item", self.item)
        write_array(folder, "weight", self.weight)
        write_settings(folder, asdict(self.settings))

    @classmethod
    def load(cls, folder: Path) -> Self:
        try:
            settings = GraphFilterSettings(**read_settings(folder))
        except TypeError as error:
            raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
        return cls(
            read_array(folder, "start", np.int64),
            read_array(folder, "item", np.int32),
            read_array(folder, "weight", np.float32),
            settings,
        )

    def _vote(self, one: int, other: int) -> float:
        row = slice(self.start[one], self.start[one + 1])
        return float(self.weight[row][self.item[row] == other].sum())


def _normalised(preference: "sp.csr_matrix[np.float32]", settings: GraphFilterSettings) -> "sp.csr_matrix[np.float32]":
    """Customers by items, each entry divided by the powers of both degrees."""
    by_user = _power(preference.sum(axis=1), -settings.user_power)
    by_item = _power(preference.sum(axis=0), -settings.item_power)
    return sp.csr_matrix(sp.diags(by_user) @ preference @ sp.diags(by_item), dtype=np.float32)


def _power(degree: npt.ArrayLike, power: float) -> Floats:
    return np.asarray(np.maximum(np.asarray(degree).ravel(), 1.0) ** power, dtype=np.float32)


def _strongest(item: Ints, weight: Floats, n: int) -> tuple[Ints, Floats]:
    """The ``n`` heaviest, by item number."""
    if len(item) > n:
        kept = np.argpartition(weight, -n)[-n:]
        item, weight = item[kept], weight[kept]
    order = np.argsort(item)
    return item[order].astype(np.int32), weight[order].astype(np.float32)
