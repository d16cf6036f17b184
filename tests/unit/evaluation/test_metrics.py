"""Metrics: by hand on lists one can count, and against an independent library on random ones."""

import warnings

import numpy as np
import pytest

from training.evaluation.metrics import per_question
from training.evaluation.task import Metric

HITS = np.array([[False, True, False], [False, False, False], [True, True, False]])
RELEVANT = np.array([1, 2, 4], dtype=np.int32)


@pytest.mark.parametrize(
    ("metric", "k", "expected"),
    [
        (Metric.HR, 1, [0, 0, 1]),
        (Metric.HR, 3, [1, 0, 1]),
        (Metric.MRR, 3, [1 / 2, 0, 1]),
        (Metric.MRR, 1, [0, 0, 1]),
        (Metric.RECALL, 3, [1, 0, 1 / 2]),
        (Metric.NDCG, 1, [0, 0, 1]),
    ],
)
def test_counted_by_hand(metric: Metric, k: int, expected: list[float]) -> None:
    np.testing.assert_allclose(per_question(metric, k, HITS, RELEVANT), expected)


def test_the_ideal_list_is_no_longer_than_k() -> None:
    hits = np.ones((1, 2), dtype=np.bool_)
    np.testing.assert_allclose(per_question(Metric.NDCG, 2, hits, np.array([50], dtype=np.int32)), [1.0])


@pytest.mark.parametrize("k", [1, 5, 20])
def test_equal_to_ranx(k: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what ranx' own dependencies warn of is not ours to mend
        import ranx

        rng = np.random.default_rng(3)
        truth: dict[str, dict[str, int]] = {}
        run: dict[str, dict[str, float]] = {}
        hits = np.zeros((60, 20), dtype=np.bool_)
        n_relevant = np.zeros(60, dtype=np.int32)
        for question in range(60):
            relevant = rng.choice(80, size=rng.integers(1, 30), replace=False)
            shown = rng.permutation(80)[:20]
            truth[str(question)] = {str(item): 1 for item in relevant}
            run[str(question)] = {str(item): float(100 - place) for place, item in enumerate(shown)}
            hits[question] = np.isin(shown, relevant)
            n_relevant[question] = len(relevant)
        names = {"hit_rate": Metric.HR, "mrr": Metric.MRR, "recall": Metric.RECALL, "ndcg": Metric.NDCG}
        theirs = {name: ranx.evaluate(ranx.Qrels(truth), ranx.Run(run), f"{name}@{k}") for name in names}
    for name, metric in names.items():
        assert per_question(metric, k, hits, n_relevant).mean() == pytest.approx(theirs[name])
