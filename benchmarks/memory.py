"""What ``shopfloor up`` takes of memory on the demo shop, in all its processes together.

    python -m benchmarks.memory [--json OUT]

The demo makes the shop; then ``up`` runs it and, as on any first start, materialises, trains and maintains. The peak is
the largest sum seen meanwhile, idle is what remains once these jobs are done and recommendations were asked for.

PSS is the figure that counts: a page that several processes share is counted once. RSS counts it in each of them.
"""

import argparse
import contextlib
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.figures import Figure, report, skipped
from benchmarks.machinery import clean_environ, progress, run, shopfloor
from benchmarks.serving import free_port

TARGET_MB = 1_500.0
JOBS = ("materialize", "train", "maintain")
JOBS_SECONDS = 150
LOOK_EVERY = 0.2
SETTLE_SECONDS = 5
QUESTIONS = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    if not Path("/proc/self/smaps_rollup").exists():
        figures = [skipped("memory of `up`", "only Linux tells which pages processes share (/proc/PID/smaps_rollup)")]
    else:
        figures = measure()
    return report("Memory of `up` on the demo shop, all processes together", figures, arguments.json)


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="shopfloor-bench-") as folder:
        place, port, environ = Path(folder) / "demo", free_port(), clean_environ()
        progress("make the demo shop")
        run("demo", "--once", "--port", str(port), "--data", str(place), environ=environ)
        progress("up")
        arguments = ("up", "--config", str(place / "shopfloor.toml"))
        with shopfloor(*arguments, environ=environ, logs=Path(folder) / "logs") as system:
            try:
                peak = max(_until_jobs_are_done(system, place / "schedule"), key=lambda sample: sample.pss)
            except RuntimeError as error:
                output = "".join(log.read_text()[-3000:] for log in (Path(folder) / "logs").iterdir())
                raise RuntimeError(f"{error}:\n{output}") from error
            progress("jobs are done")
            _ask(port)
            time.sleep(SETTLE_SECONDS)
            idle = _sample(system)
    return [
        Figure("memory of `up`, idle (PSS)", idle.pss, "MB", TARGET_MB, note=idle.parts),
        Figure("memory of `up`, peak while jobs run (PSS)", peak.pss, "MB", TARGET_MB, note=peak.parts),
        Figure("memory of `up`, idle (RSS)", idle.rss, "MB"),
        Figure("memory of `up`, peak while jobs run (RSS)", peak.rss, "MB"),
    ]


class Sample(NamedTuple):
    """Megabytes (10^6 bytes) of all processes together; ``parts`` names the PSS of each."""

    pss: float
    rss: float
    parts: str


def _until_jobs_are_done(system: psutil.Process, state: Path) -> Iterator[Sample]:
    deadline = time.monotonic() + JOBS_SECONDS
    while not all((state / f"{job}.last").exists() for job in JOBS):
        if time.monotonic() > deadline or not system.is_running():
            done = [job.stem for job in state.glob("*.last")]
            raise RuntimeError(f"after {JOBS_SECONDS} s `up` has only done {done or 'nothing'} of {', '.join(JOBS)}")
        yield _sample(system)
        time.sleep(LOOK_EVERY)


def _sample(system: psutil.Process) -> Sample:
    parts: dict[str, float] = {}
    rss = 0.0
    for process in [system, *system.children(recursive=True)]:
        with contextlib.suppress(psutil.Error, OSError, KeyError):
            memory = _rollup(process.pid)
            parts[_verb(process)] = memory["Pss"] + parts.get(_verb(process), 0.0)
            rss += memory["Rss"]
    return Sample(sum(parts.values()), rss, ", ".join(f"{verb} {size:.0f}" for verb, size in parts.items()))


def _rollup(pid: int) -> dict[str, float]:
    """Megabytes by name of the kernel's counter."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size) * 1024 / 1e6 for name, size, _ in (line.replace(":", " ").split() for line in lines)}


def _verb(process: psutil.Process) -> str:
    """``serve``, ``work lake``, …; a helper of such a process by its program's name."""
    command = process.cmdline()
    if "shopfloor.child" not in command:
        return process.name()
    verb, *options = command[command.index("shopfloor.child") + 1 :]
    return f"{verb} {options[1]}" if options[:1] == ["--group"] else verb


def _ask(port: int) -> None:
    """Recommendations for many customers, so that what the service needs is really in memory."""
    for number in range(QUESTIONS):
        body = json.dumps({"placement": "home", "user_id": f"c{10_000 + number}", "limit": 20}).encode()
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(f"http://127.0.0.1:{port}/v1/recommendations", body, headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            answer.read()


if __name__ == "__main__":
    sys.exit(main())
