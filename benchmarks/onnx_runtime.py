"""Our trees scored by ONNX Runtime instead, turn by turn with our own loop: ``python -m benchmarks.ranking --onnx``.

The model is made of the arrays that a version stores. First every score is compared, then both are timed with one
thread each, then each is started in processes of its own that have NumPy and numba already, as the service has.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import psutil

from benchmarks.figures import Figure, skipped
from benchmarks.machinery import Absent

if TYPE_CHECKING:
    from training.interactions import Floats
    from training.trees import Trees

NEEDED: Final = ("onnx", "onnxruntime")
OPERATORS: Final = 5
"""Version of the operators of ``ai.onnx.ml``: the first with TreeEnsemble, which follows TreeEnsembleRegressor."""
SIZES: Final = {1: 1_000, 100: 1_000, 1_000: 200}
"""Candidates scored at once -> calls that are timed."""
STARTS: Final = 5
SEED: Final = 7

Doubles = npt.NDArray[np.float64]
Score = Callable[["Floats"], npt.NDArray[Any]]


def check_onnx() -> None:
    """Absent, saying what to install, where the two packages are missing: the project itself needs neither."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        what = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        raise Absent(f"--onnx: {what}; install with: python -m pip install {' '.join(NEEDED)}")


def compared(name: str, trees: "Trees", lists: "Sequence[Floats]") -> list[Figure]:
    """What ONNX Runtime costs beside our loop for the ``lists`` of a ranker, each float32 [candidates, features]."""
    rows = np.concatenate(lists)
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as place:
        folder = Path(place)
        trees.save(folder)
        np.save(folder / "rows.npy", lists[0])
        (folder / "trees.onnx").write_bytes(encoded(trees, rows.shape[1], np.float32))
        theirs = scorer(folder / "trees.onnx")
        return [*equality(name, trees, rows, theirs), *speed(name, trees, rows, theirs), *start(name, folder)]


def encoded(trees: "Trees", n_features: int, floats: type[np.floating[Any]]) -> bytes:
    """An ONNX model ``rows`` [n, features] -> ``score`` [n, 1] of these trees, in ``floats`` all through."""
    onnx = importlib.import_module("onnx")  # not of this environment, so that no checker finds it by its name
    helper, from_array = onnx.helper, onnx.numpy_helper.from_array
    leaf = trees.feature < 0
    question = ~leaf
    question[trees.root] = True  # a tree that is one leaf asks something, to come to this leaf either way
    of_questions, of_leaves = np.cumsum(question) - 1, np.cumsum(leaf) - 1
    itself = np.arange(len(leaf))
    left, right = (np.where(leaf, itself, child)[question] for child in (trees.left, trees.right))
    node = helper.make_node(
        "TreeEnsemble",
        ["rows"],
        ["score"],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=of_questions[trees.root].tolist(),
        nodes_featureids=np.maximum(trees.feature[question], 0).tolist(),
        nodes_modes=from_array(np.zeros(question.sum(), np.uint8)),  # 0: left where <=; NaN goes right
        nodes_splits=from_array(not_above(trees.threshold[question], floats)),
        nodes_truenodeids=np.where(leaf[left], of_leaves[left], of_questions[left]).tolist(),
        nodes_trueleafs=leaf[left].astype(int).tolist(),
        nodes_falsenodeids=np.where(leaf[right], of_leaves[right], of_questions[right]).tolist(),
        nodes_falseleafs=leaf[right].astype(int).tolist(),
        leaf_targetids=[0] * int(leaf.sum()),
        leaf_weights=from_array(trees.threshold[leaf].astype(floats)),
    )
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(floats))
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("rows", kind, [None, n_features])],
        [helper.make_tensor_value_info("score", kind, [None, 1])],
    )
    versions = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", OPERATORS)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def not_above(thresholds: Doubles, floats: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """The highest of ``floats`` that is no higher than each threshold: a value of that kind goes the same way by it."""
    nearest = thresholds.astype(floats)
    return np.where(nearest > thresholds, np.nextafter(nearest, floats(-np.inf)), nearest)


def scorer(model: Path | bytes) -> Score:
    """One thread of ONNX Runtime that scores rows by the model."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    source = str(model) if isinstance(model, Path) else model
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def score(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = session.run(["score"], {"rows": rows})[0][:, 0]
        return found

    return score


def equality(name: str, trees: "Trees", rows: "Floats", theirs: Score) -> list[Figure]:
    """How many scores differ in float64, where they must be the same to the last bit; how far in float32 is beside."""
    asked = np.concatenate([rows, awkward(rows, trees)])
    ours = trees.score(asked)
    exact = scorer(encoded(trees, rows.shape[1], np.float64))
    whole, single = exact(asked.astype(np.float64)), theirs(asked)
    what = f"ranker of {name}, ONNX Runtime"
    rounded = f"of {len(asked):,}; in float32 by {np.abs(single - ours).max():.1e} at most"
    return [Figure(f"{what}: scores that differ in float64", int((whole != ours).sum()), target=0, note=rounded)]


def awkward(rows: "Floats", trees: "Trees") -> "Floats":
    """As many rows again with missing and infinite values, and with values that a threshold is just met by."""
    random = np.random.default_rng(SEED)
    changed = rows.copy()
    for value in (np.nan, np.inf, -np.inf):
        changed[random.random(rows.shape) < 0.02] = value
    asking = np.flatnonzero(trees.feature >= 0)
    node = random.choice(asking, 10 * len(rows))
    changed[random.integers(0, len(rows), len(node)), trees.feature[node]] = trees.threshold[node]
    return changed


class Times(NamedTuple):
    """Medians in ms: ``cpu`` of this thread, ``clock`` on the wall."""

    cpu: float
    clock: float


def speed(name: str, trees: "Trees", rows: "Floats", theirs: Score) -> list[Figure]:
    """Both for each size; what ours takes of the other's time is beside it."""
    figures = []
    for size, calls in SIZES.items():
        lists = [rows[at : at + size].copy() for at in range(0, min(200, len(rows) // size) * size, size)]
        ours, other = in_turns((trees.score, theirs), lists, calls)
        what = f"ranker of {name}, {size:,} {'candidate' if size == 1 else 'candidates'}"
        share = f", {ours.cpu / other.cpu:.0%} of ONNX Runtime"
        figures += [
            Figure(f"{what}: our loop", ours.cpu, "ms", note=f"by the clock {ours.clock:.4f} ms{share}"),
            Figure(f"{what}: ONNX Runtime", other.cpu, "ms", note=f"by the clock {other.clock:.4f} ms"),
        ]
    return figures


def in_turns(scorers: Sequence[Score], lists: "Sequence[Floats]", calls: int) -> list[Times]:
    """Each scorer's time for the lists in turn; who goes first changes from call to call and from round to round."""
    cpu, clock = np.zeros((2, calls, len(scorers)))
    for number in range(-len(lists), calls):  # the first round warms up
        turns = list(enumerate(scorers))
        for at, score in turns if (number + number // len(lists)) % 2 else reversed(turns):
            clock_began, cpu_began = time.perf_counter(), time.thread_time()
            score(lists[number % len(lists)])
            if number >= 0:
                cpu[number, at] = time.thread_time() - cpu_began
                clock[number, at] = time.perf_counter() - clock_began
    medians = np.median([cpu, clock], axis=1) * 1000
    return [Times(*times) for times in medians.T.tolist()]


def start(name: str, folder: Path) -> list[Figure]:
    """What each takes until its first scores, in a process that had neither: memory, time, and its file."""
    ours, theirs = "our loop", "ONNX Runtime"
    size = {
        ours: sum(file.stat().st_size for file in folder.glob("tree_*.npy")),
        theirs: (folder / "trees.onnx").stat().st_size,
    }
    figures = [Figure(f"ranker of {name}: file of {who}", n_bytes / 1e3, "KB") for who, n_bytes in size.items()]
    if not Path("/proc/self/smaps_rollup").exists():
        return [*figures, skipped("memory", "only Linux tells which pages processes share (/proc/PID/smaps_rollup)")]
    found: dict[str, list[dict[str, float]]] = {ours: [], theirs: []}
    for _ in range(STARTS):
        for who, runs in found.items():
            command = [sys.executable, "-m", "benchmarks.onnx_runtime", who, str(folder)]
            runs.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    median = {
        who: {key: float(np.median([run[key] for run in runs])) for key in runs[0]} for who, runs in found.items()
    }
    for who, took in median.items():
        what = f"ranker of {name}: start of {who}"
        figures += [
            Figure(f"{what}, memory (PSS)", took["pss"], "MB", note=f"RSS {took['rss']:.1f} MB"),
            Figure(f"{what}, CPU", took["cpu"], "ms", note=f"by the clock {took['clock']:.1f} ms"),
        ]
    return figures


def started(who: str, folder: Path) -> dict[str, float]:
    """What this process takes more from here to the first scores: ``pss`` and ``rss`` in MB, ``cpu``, ``clock`` in ms.

    Called in a new process, in which all of the ranker but its trees is imported and numba has compiled code at work.
    """
    from training.candidates.compiled import highest
    from training.trees import Trees

    rows = np.load(folder / "rows.npy")
    highest(np.zeros(1_000, np.float32), 10)
    process = psutil.Process()
    before, cpu, clock = process.memory_full_info(), time.process_time(), time.perf_counter()
    score = scorer(folder / "trees.onnx") if who == "ONNX Runtime" else Trees.load(folder).score
    score(rows)
    took = {"cpu": (time.process_time() - cpu) * 1000, "clock": (time.perf_counter() - clock) * 1000}
    after = process.memory_full_info()
    return took | {"pss": (after.pss - before.pss) / 1e6, "rss": (after.rss - before.rss) / 1e6}


if __name__ == "__main__":
    print(json.dumps(started(sys.argv[1], Path(sys.argv[2]))))
