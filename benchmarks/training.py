"""What ``shopfloor train`` costs by the number of events: CPU time, time on the clock and memory.

    python -m benchmarks.training [--events 100000 300000 1000000 3000000] [--json OUT] [--plot OUT.svg]

The real command, on a synthetic shop's lake (``benchmarks/synthetic_shop.py``), as a child process: all candidate
models and the ranker, fitted before the hold-out to compare and on everything to serve, the bundle and MLflow.
Growth is the exponent of CPU time from the smallest to the largest shop, beside that of n log n over the same sizes.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figures import Figure, document, report
from benchmarks.machinery import clean_environ, progress
from benchmarks.synthetic_shop import events, products
from ingestion.sinks.lake import Lake, Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZES = (100_000, 300_000, 1_000_000, 3_000_000)
WARM_UP = 5_000
"""Trained first and not told: the first training on a machine compiles for half a minute, what later ones find."""
GOAL_EVENTS = 1_000_000
MOST_SECONDS = 300.0
MOST_MB = 4_000.0
CORES = 2
SEED = 42


@dataclass(frozen=True, slots=True)
class Cost:
    """One training: CPU seconds of all its threads, seconds on the clock, largest resident set in 10^6 bytes."""

    events: int
    cpu_seconds: float
    seconds: float
    peak_mb: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=SIZES, help="sizes of the shops, in events")
    parser.add_argument("--json", type=Path, help="also write the figures and costs there")
    parser.add_argument("--plot", type=Path, help="also draw the costs there")
    arguments = parser.parse_args()
    measure(WARM_UP)
    costs = [measure(n_events) for n_events in sorted(arguments.events)]
    figures = figures_of(costs)
    status = report("Cost of a training", figures, None)
    if arguments.json:
        found = document(figures) | {"costs": [asdict(cost) for cost in costs]}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        draw(costs, arguments.plot)
    return status


def measure(n_events: int) -> Cost:
    """Make the shop, train it, and count what the child took; RuntimeError with its output when it fails."""
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder:
        progress(f"{n_events:,} events")
        lake = Lake(f"{folder}/data/lake")
        lake.append("events", events(n_events, SEED), Source("bench", "events"), {0: n_events})
        sold = products(n_events)
        lake.append("products", sold, Source("bench", "products"), {0: sold.num_rows})
        del sold
        cost = _train(Path(folder), n_events)
        progress(f"{cost.cpu_seconds:.0f} s of CPU, {cost.seconds:.0f} s, {cost.peak_mb:,.0f} MB")
        return cost


def _train(folder: Path, n_events: int) -> Cost:
    command = [sys.executable, "-m", "shopfloor", "train", "--json"]
    with (folder / "output").open("w+b") as output:
        started = time.monotonic()
        child = subprocess.Popen(command, env=clean_environ(data=f"{folder}/data"), stdout=output, stderr=output)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended ({child.returncode}):\n{output.read()[-3000:].decode()}")
    return Cost(n_events, used.ru_utime + used.ru_stime, seconds, used.ru_maxrss * 1024 / 1e6)


def figures_of(costs: Sequence[Cost]) -> list[Figure]:
    figures = []
    for cost in costs:
        goal = cost.events == GOAL_EVENTS
        # On a shared machine CPU time counts: what two cores would take at best is half of it, at worst all of it.
        figures += [
            Figure(f"train {cost.events:,} events, CPU", cost.cpu_seconds, "s", MOST_SECONDS if goal else None),
            Figure(f"train {cost.events:,} events, on the clock", cost.seconds, "s"),
            Figure(f"train {cost.events:,} events, memory (RSS)", cost.peak_mb, "MB", MOST_MB if goal else None),
        ]
    if len(costs) > 1:
        first, last = costs[0], costs[-1]
        measured, allowed = growth(costs), _exponent(first.events, _n_log_n(first), last.events, _n_log_n(last))
        what = f"growth of CPU from {first.events:,} to {last.events:,} events, exponent"
        figures.append(Figure(what, measured, target=allowed, note="the target is that of n log n"))
    return figures


def growth(costs: Sequence[Cost]) -> float:
    """The exponent b of CPU = a events^b, by least squares in logarithms over all sizes."""
    x, y = [math.log(cost.events) for cost in costs], [math.log(cost.cpu_seconds) for cost in costs]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    pairs = list(zip(x, y, strict=True))
    return sum((a - middle_x) * (b - middle_y) for a, b in pairs) / sum((a - middle_x) ** 2 for a in x)


def _n_log_n(cost: Cost) -> float:
    return cost.events * math.log(cost.events)


def _exponent(n: int, cost: float, larger_n: int, larger_cost: float) -> float:
    return math.log(larger_cost / cost) / math.log(larger_n / n)


def draw(costs: Sequence[Cost], path: Path) -> None:
    """CPU time and memory over the number of events, as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Drawing

    # The same costs draw the same file.
    mpl.rcParams["svg.hashsalt"] = "shopfloor"
    drawing = Drawing(figsize=(9, 3.6), layout="constrained")
    left, right = drawing.subplots(1, 2)
    sizes = [cost.events for cost in costs]
    left.plot(sizes, [cost.cpu_seconds for cost in costs], "o-", color="#4477aa", label="measured")
    start = costs[0].cpu_seconds / _n_log_n(costs[0])
    left.plot(sizes, [start * _n_log_n(cost) for cost in costs], "--", color="#999999", label="n log n from the first")
    left.plot([GOAL_EVENTS], [MOST_SECONDS], "v", color="#cc6677", label="at most")
    _labelled(left, "CPU of a training", "seconds")
    left.legend(frameon=False)
    right.plot(sizes, [cost.peak_mb / 1000 for cost in costs], "o-", color="#4477aa")
    right.plot([GOAL_EVENTS], [MOST_MB / 1000], "v", color="#cc6677")
    _labelled(right, "Memory of a training", "GB (RSS, peak)")
    right.set_yscale("linear")
    right.set_ylim(bottom=0)
    drawing.savefig(path, format="svg", metadata={"Date": None})


def _labelled(axes: "Axes", title: str, unit: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title)
    axes.set_xlabel("events")
    axes.set_ylabel(unit)


if __name__ == "__main__":
    sys.exit(main())
