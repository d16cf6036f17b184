"""``python -m benchmarks.ranking``: what it costs to put 100 candidates in order, on one thread.

    python -m benchmarks.ranking [--clicks FILE] [--onnx] [--json OUT]

The shop is that of ``benchmarks.serving``: 30,000 products, customers with up to 50 interactions; with ``--clicks`` the
visits of a file instead. What counts is the processor time of the calling thread from the models' proposals to the
finished order: fusing, features, trees. ``--onnx`` has ONNX Runtime score the same trees besides.
"""

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import onnx_runtime
from benchmarks.figures import Figure, report
from benchmarks.machinery import Absent, progress
from benchmarks.serving_shop import SEED, make_interactions, rankers_of

if TYPE_CHECKING:
    from training.candidates.candidate import Candidates
    from training.interactions import Floats, History, Interactions
    from training.ranker import Ranker

CALLS = 1_000
CANDIDATES = 100
MOST_MS = 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clicks", type=Path, help="a file of visits with the columns SessionId, ItemId and Time")
    parser.add_argument("--onnx", action="store_true", help="beside ONNX Runtime, which has to be installed for it")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    if arguments.onnx:
        try:
            onnx_runtime.check_onnx()
        except Absent as error:
            parser.error(str(error))
    interactions = visits_of(arguments.clicks) if arguments.clicks else make_interactions(np.random.default_rng(SEED))
    figures = measure(interactions, arguments.onnx)
    return report("Ranking 100 candidates, processor time of one thread", figures, arguments.json)


def visits_of(file: Path) -> "Interactions":
    from benchmarks.accuracy import CLICKS
    from training.evaluation.protocol import Protocol, read_training
    from training.interactions import from_frame

    return from_frame(read_training(Protocol.SESSIONS, file, CLICKS))


def measure(interactions: "Interactions", onnx: bool) -> list[Figure]:
    from training.blend import BLENDS, TAUGHT_BY
    from training.candidates import MODELS
    from training.next_step import next_steps

    progress("models")
    models = {
        name: MODELS[name].fit(interactions) for name in sorted({n for b in TAUGHT_BY.values() for n in BLENDS[b]})
    }
    progress("rankers")
    rankers = rankers_of(interactions, models)
    end = int(interactions.time.max())
    histories = [each.history for each in next_steps(interactions, end - 86_400, end, 200, SEED)]
    found = []
    for name, ranker in rankers.items():
        progress(name)
        asked = [{s: models[s].propose(history, CANDIDATES) for s in ranker.weights} for history in histories]
        rows = rows_of_all(ranker, histories, asked)
        found += cost(name, ranker, histories, asked, rows)
        if onnx:
            progress(f"{name}, ONNX Runtime")
            found += onnx_runtime.compared(name, ranker.trees, rows)
    return found


def rows_of_all(
    ranker: "Ranker", histories: "Sequence[History]", asked: "Sequence[Mapping[str, Candidates]]"
) -> "list[Floats]":
    """What the trees see of the candidates of each history, float32 [candidates, features]."""
    from training.fusion import fused
    from training.ranker import NOTHING, rows_of

    rows = []
    for history, proposals in zip(histories, asked, strict=True):
        chosen = fused(proposals, ranker.weights, CANDIDATES, NOTHING)
        rows.append(rows_of(ranker.signals, history, chosen, len(chosen.item), ranker.settings.length))
    return rows


def cost(
    name: str,
    ranker: "Ranker",
    histories: "Sequence[History]",
    asked: "Sequence[Mapping[str, Candidates]]",
    rows: "Sequence[Floats]",
) -> list[Figure]:
    whole = median_ms(lambda at: ranker.rank(histories[at], asked[at], 20), len(histories))
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
