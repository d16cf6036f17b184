"""``python -m benchmarks.ranking [--json OUT]``: what it costs to put 100 candidates in order, on one thread.

The shop is that of ``benchmarks.serving``: 30,000 products, customers with up to 50 interactions. What counts is the
processor time of the calling thread from the models' proposals to the finished order: fusing, features, trees.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.figures import Figure, report
from benchmarks.machinery import progress
from benchmarks.serving_shop import SEED, make_interactions, rankers_of

if TYPE_CHECKING:
    from training.candidates.candidate import CandidateModel
    from training.interactions import History
    from training.ranker import Ranker

CALLS = 1_000
CANDIDATES = 100
MOST_MS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    return report("Ranking 100 candidates, processor time of one thread", measure(), arguments.json)


def measure() -> list[Figure]:
    from training.blend import BLENDS, TAUGHT_BY
    from training.candidates import MODELS
    from training.folds import Objective, visits_between

    progress("models")
    interactions = make_interactions(np.random.default_rng(SEED))
    models = {
        name: MODELS[name].fit(interactions) for name in sorted({n for b in TAUGHT_BY.values() for n in BLENDS[b]})
    }
    progress("rankers")
    rankers = rankers_of(interactions, models)
    end = int(interactions.time.max())
    histories = [each.history for each in visits_between(interactions, Objective(), end - 86_400, end, 200, SEED)]
    found = []
    for name, ranker in rankers.items():
        progress(name)
        found += cost(name, ranker, models, histories)
    return found


def cost(
    name: str, ranker: "Ranker", models: "Mapping[str, CandidateModel]", histories: "Sequence[History]"
) -> list[Figure]:
    from training.fusion import fused
    from training.ranker import NOTHING, rows_of

    asked = [{s: models[s].propose(history, CANDIDATES) for s in ranker.weights} for history in histories]
    whole = median_ms(lambda at: ranker.rank(histories[at], asked[at], 20), len(histories))
    rows = []
    for history, proposals in zip(histories, asked, strict=True):
        chosen = fused(proposals, ranker.weights, CANDIDATES, NOTHING)
        rows.append(rows_of(ranker.signals, history, chosen, len(chosen.item), ranker.settings.length))
    trees = median_ms(lambda at: ranker.trees.score(rows[at]), len(histories))
    return [
        Figure(f"ranker of {name}: fuse, features, trees", whole, "ms", MOST_MS),
        Figure(f"ranker of {name}: the {len(ranker.trees.root)} trees alone", trees, "ms"),
    ]


def median_ms(call: Callable[[int], object], n: int) -> float:
    """Median processor time of this thread for ``call(i)``, i from 0 to below n in turn."""
    for at in range(n):
        call(at)
    took = np.zeros(CALLS)
    for number in range(CALLS):
        began = time.thread_time()
        call(number % n)
        took[number] = time.thread_time() - began
    return float(np.median(took) * 1000)


if __name__ == "__main__":
    sys.exit(main())
