"""Which record ids were seen lately: the memory behind "a retry counts once".

Ids are kept as 128-bit BLAKE2b digests in sorted runs of 64-bit halves, 16 bytes an id whatever the id's length, so
that ten million ids take 160 MB. Runs of like size are merged four at a time, which keeps their number logarithmic.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MERGE_FACTOR = 4


class _Run(NamedTuple):
    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]
    newest_us: int


class RecentIds:
    """Ids with the time they came."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.high) for run in self._runs)

    def repeats(self, ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """bool [n]: True for an id that was added before or stands earlier in ``ids``. Nothing is added."""
        high, low = _digests(ids)
        seen = _repeated_within(high, low)
        for run in self._runs:
            place = np.searchsorted(run.high, high)
            place[place == len(run.high)] = 0
            seen |= (run.high[place] == high) & (run.low[place] == low)
        return seen

    def add(self, ids: Sequence[str], newest_us: int) -> None:
        """Remember the ids; ``newest_us`` is when the last of them came, microseconds since 1970 UTC."""
        if not len(ids):
            return
        high, low = _digests(ids)
        self._runs.append(_sorted_run(high, low, newest_us))
        while len(self._runs) >= MERGE_FACTOR and _alike(self._runs[-MERGE_FACTOR:]):
            last = self._runs[-MERGE_FACTOR:]
            self._runs[-MERGE_FACTOR:] = [
                _sorted_run(
                    np.concatenate([run.high for run in last]),
                    np.concatenate([run.low for run in last]),
                    max(run.newest_us for run in last),
                )
            ]

    def forget(self, before_us: int) -> None:
        """Ids that came before that moment, a run at a time once all of a run did."""
        self._runs = [run for run in self._runs if run.newest_us >= before_us]

    def clear(self) -> None:
        self._runs = []


def _digests(ids: Iterable[str]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    joined = b"".join(blake2b(one.encode("utf-8", "surrogatepass"), digest_size=16).digest() for one in ids)
    pairs = np.frombuffer(joined, dtype="<u8").reshape(-1, 2)
    return pairs[:, 0].copy(), pairs[:, 1].copy()


def _repeated_within(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    order = np.lexsort((low, high))  # stable: of equal ids the first in the batch comes first
    repeated = np.zeros(len(high), np.bool_)
    same = (high[order][1:] == high[order][:-1]) & (low[order][1:] == low[order][:-1])
    repeated[order[1:][same]] = True
    return repeated


def _sorted_run(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64], newest_us: int) -> _Run:
    order = np.argsort(high)
    return _Run(high[order], low[order], newest_us)


def _alike(runs: Sequence[_Run]) -> bool:
    sizes = [len(run.high) for run in runs]
    return max(sizes) <= MERGE_FACTOR * min(sizes) or max(sizes) < 1000
