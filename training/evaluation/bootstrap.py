"""95 % intervals by the percentile bootstrap over clusters (sessions or users), which are what is independent."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from training.interactions import Ints

DRAWS = 1000
COVERAGE_DRAWS = 200
_LEVELS = (2.5, 97.5)
_Z = 1.96


class Interval(NamedTuple):
    value: float
    low: float
    high: float


def draw_means(values: npt.NDArray[np.float64], cluster: Ints, n_clusters: int, seed: int) -> npt.NDArray[np.float64]:
    """Means of ``values`` [q, m] over DRAWS resamples of the clusters: [DRAWS, m].

    A value that is NaN counts in no mean; a resample without any value of a column has NaN for its mean there. With
    one seed, the resamples are the same for every model on the same questions, so that the difference of two results
    is a paired one.
    """
    told = ~np.isnan(values)
    sums = np.stack([np.bincount(cluster, column, n_clusters) for column in np.where(told, values, 0.0).T], axis=1)
    sizes = np.stack([np.bincount(cluster, column, n_clusters) for column in told.T], axis=1)
    return draw_ratios(sums.astype(np.float64), sizes.astype(np.float64), seed)


def draw_ratios(sums: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], seed: int) -> npt.NDArray[np.float64]:
    """Sum of ``sums`` over sum of ``sizes``, both [clusters, m], over DRAWS resamples of the clusters: [DRAWS, m].

    Resamples are the same for the same seed and number of clusters; NaN where one has nothing of a column.
    """
    rng, n_clusters = np.random.default_rng(seed), len(sums)
    ratios = np.empty((DRAWS, sums.shape[1]))
    for draw in range(DRAWS):
        drawn = np.bincount(rng.integers(n_clusters, size=n_clusters), minlength=n_clusters)
        size = drawn @ sizes
        ratios[draw] = np.divide(drawn @ sums, size, out=np.full(len(size), np.nan), where=size > 0)
    return ratios


def interval(value: float, draws: npt.NDArray[np.float64]) -> Interval:
    """The value with the middle 95 % of its ``draws``."""
    low, high = np.nanpercentile(draws, _LEVELS)
    return Interval(float(value), float(low), float(high))


def unvaried(value: float, n_clusters: int, least: float, most: float) -> Interval:
    """The interval where all of ``n_clusters`` tell the same value, of which every resample is a repetition.

    None of n that differs leaves room for a share w of others that do: Wilson's bound for nothing seen, about 3.8 / n
    (E. B. Wilson, JASA 1927). Were all of those at ``least`` or at ``most``, the mean would lie so far off.
    """
    others = _Z**2 / (n_clusters + _Z**2)
    return Interval(value, value - others * (value - least), value + others * (most - value))


def coverage(shown: Ints, cluster: Ints, n_items: int, seed: int) -> Interval:
    """The share of ``n_items`` that stands in any of the lists ``shown`` [q, k], negative where a list is shorter.

    A resample repeats some clusters and misses others, so it always covers less; its spread is kept and moved to the
    value.
    """
    owner = np.repeat(cluster, shown.shape[1])[shown.ravel() >= 0]
    item = shown.ravel()[shown.ravel() >= 0]
    n_clusters = int(cluster.max()) + 1
    rng = np.random.default_rng(seed)
    draws = np.empty(COVERAGE_DRAWS)
    for draw in range(COVERAGE_DRAWS):
        drawn = np.zeros(n_clusters, np.bool_)
        drawn[rng.integers(n_clusters, size=n_clusters)] = True
        covered = np.zeros(n_items, np.bool_)
        covered[item[drawn[owner]]] = True
        draws[draw] = covered.mean()
    value = len(np.unique(item)) / n_items
    low, high = np.clip(np.percentile(draws, _LEVELS) - draws.mean() + value, 0.0, 1.0)
    return Interval(value, float(low), float(high))
