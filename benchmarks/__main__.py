"""``python -m benchmarks [--only NAME …] [--json OUT]``: every published figure beside what it must reach.

Each benchmark runs in a process of its own, as its command in the table does; what it prints goes to standard error.
Exit status 1 when a target is missed or a benchmark fails.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, document, from_document, report
from benchmarks.machinery import progress


def accuracy(found: Mapping[str, Any]) -> list[Figure]:
    """A figure for each row of ``benchmarks.accuracy``; a gain is reached where its interval lies above zero too."""
    return [
        Figure(
            f"{row['data']}: {row['row']['model']} {row['row']['metric']}@{row['row']['k']}",
            row["row"]["value"],
            target=row["target"],
            at_least=True,
            required=row["required"],
            note=f"95 % interval {row['row']['low']:.4f} to {row['row']['high']:.4f}",
            popular=None if row["gain"] else row["popular"],
            published=row["published"],
            reached=row["reached"],
        )
        for row in found["rows"]
    ]


def next_order(found: Mapping[str, Any]) -> list[Figure]:
    """What customers who come back buy next, beside the best that one model alone foretells of it.

    The ranked list, of which the benchmark gives paired gains, has to be surely better than each of them.
    """
    rows = {row["recipe"]: row for row in found["rows"] if (row["market"], row["metric"]) == ("all", "recall_20")}
    alone = {name: rows[name]["figure"]["value"] for name in ("popular", "als", "buy_again")}
    told = ", ".join(f"{name} alone {value:.3f}" for name, value in alone.items() if name != "popular")
    over = rows[max(alone, key=lambda name: alone[name])]["over"]
    gain = f"over the best alone {over['value']:+.4f}, 95 % interval {over['low']:+.4f} to {over['high']:+.4f}"
    surely = {"home, ranked": all(rows[name]["over"]["low"] > 0 for name in alone)}
    return [
        Figure(
            f"online_retail, next order: {recipe} recall@20",
            rows[recipe]["figure"]["value"],
            target=max(alone.values()),
            at_least=True,
            note=gain if recipe in surely else "",
            popular=alone["popular"],
            published=told,
            reached=surely.get(recipe),
        )
        for recipe in ("home, blended", "home, ranked")
    ]


def serving(found: Mapping[str, Any]) -> list[Figure]:
    """Figures of ``benchmarks.serving``: CPU has its target in a busy service, p99 at the highest rate."""
    rates = [name for name in found["rows"] if name != "busy"]
    figures = []
    for name, row in found["rows"].items():
        what = f"recommendation, {name}, {found['products']:,} products"
        figures += [
            Figure(
                f"{what}: server CPU",
                row["cpu_ms_per_request"],
                "ms",
                2.0 if name == "busy" else None,
                note=f"median of the runs, of which the cheapest {row['cpu_ms_least']} ms",
            ),
            Figure(f"{what}: p99", row["p99_ms"], "ms", 25.0 if name == rates[0] else None),
            Figure(f"{what}: errors", row["errors"], target=0),
        ]
    return figures


BENCHMARKS: Mapping[str, Callable[[dict[str, Any]], list[Figure]]] = {
    "accuracy": accuracy,
    "next_order": next_order,
    "new_items": from_document,
    "warm_start": from_document,
    "serving": serving,
    "ranking": from_document,
    "freshness": from_document,
    "ingestion": from_document,
    "memory": from_document,
    "training": from_document,
    "retention": from_document,
    "off_policy": from_document,
}
"""Each with what makes figures of its JSON."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME",
                        help=f"only these: {', '.join(BENCHMARKS)}")  # fmt: skip
    parser.add_argument("--json", type=Path, help="also write the figures, and what they were measured on, there")
    arguments = parser.parse_args()
    figures: list[Figure] = []
    for name in BENCHMARKS:
        if name in arguments.only:
            figures += measured(name)
    status = report("What it must reach", figures, None)
    if arguments.json:
        arguments.json.write_text(json.dumps(document(figures) | {"measured_on": surroundings()}, indent=1) + "\n")
    return status


def measured(name: str) -> list[Figure]:
    """Run one benchmark; a figure that misses when it gives none."""
    module = f"benchmarks.{name}"
    command = f"python -m {module}"
    progress(command)
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder:
        out = Path(folder) / "figures.json"
        done = subprocess.run(
            [sys.executable, "-m", module, "--json", str(out)], check=False, stdout=sys.stderr.fileno()
        )
        if not out.exists():
            return [
                Figure(
                    f"{name} gave figures (exit status {done.returncode})", 0, target=1, at_least=True, command=command
                )
            ]
        return [replace(figure, command=command) for figure in BENCHMARKS[name](json.loads(out.read_text()))]


def surroundings() -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    sys.exit(main())
