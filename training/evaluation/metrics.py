"""Accuracy of ranked lists, counted per question; each figure is compared with ``ranx`` in the tests."""

import numpy as np
import numpy.typing as npt

from training.evaluation.task import Metric
from training.interactions import Ints

Hits = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


def per_question(metric: Metric, k: int, hits: Hits, n_relevant: Ints) -> Values:
    """The metric of each question's first ``k`` places.

    ``hits``: bool [q, at least k], True where the item in that place is right; ``n_relevant``: [q], right items of
    the question, at least 1. NDCG has binary gains 1 / log2(place + 1) and the ideal list of min(k, n_relevant) hits,
    as LightGCN (He et al., SIGIR 2020) counts it; MRR is 0 where nothing right stands in the first k places.
    """
    top = hits[:, :k]
    if metric is Metric.HR:
        return np.asarray(top.any(axis=1), dtype=np.float64)
    if metric is Metric.MRR:
        return np.asarray(top.any(axis=1) / (top.argmax(axis=1) + 1.0), dtype=np.float64)
    if metric is Metric.RECALL:
        return np.asarray(top.sum(axis=1) / n_relevant, dtype=np.float64)
    if metric is Metric.NDCG:
        gain = 1.0 / np.log2(np.arange(2, top.shape[1] + 2))
        ideal = np.cumsum(gain)[np.minimum(n_relevant, top.shape[1]) - 1]
        return np.asarray(top @ gain / ideal, dtype=np.float64)
    raise ValueError(f"{metric} is not counted per question")
