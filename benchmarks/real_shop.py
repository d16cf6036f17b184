"""A real shop's past through the commands of the README: import, up, materialize, train, and answers over REST."""

import json
import os
import sqlite3
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.machinery import clean_environ, progress, run, shopfloor
from benchmarks.serving import free_port

Ask = Callable[[dict[str, Any]], dict[str, Any]]

DATA: Final = Path(os.environ.get("SHOPFLOOR_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
_NO_JOBS: Final = "[schedule]\nmaterialize_minutes = 0\ntrain_minutes = 0\nmaintain_minutes = 0\n"


@contextmanager
def served(folder: Path, *importing: str) -> Iterator[Ask]:
    """The shop that ``shopfloor import <importing>`` makes in ``folder``, trained and served.

    Gives a function from a question of ``POST /v1/recommendations`` to its answer.
    """
    port = free_port()
    config = folder / "shopfloor.toml"
    config.write_text(f'data = "data"\nport = {port}\n{_NO_JOBS}')
    environ, address = clean_environ(), f"http://127.0.0.1:{port}"

    def call(*verb: str) -> None:
        progress(" ".join(verb))
        run(*verb, "--config", str(config), environ=environ)

    call("import", *importing)
    with shopfloor("up", "--config", str(config), environ=environ, logs=folder / "logs"):
        _wait_until_read(folder / "data")
        call("materialize")
        call("train", "--promote")
        _wait_for_model(address)
        yield lambda question: _post(f"{address}/v1/recommendations", question)


def write_page(lines: Iterable[str], out: Path | None) -> None:
    """The page into a file; without one to standard output."""
    page = "\n".join(lines) + "\n"
    if out is None:
        sys.stdout.write(page)
    else:
        out.write_text(page)


def _wait_until_read(data: Path) -> None:
    """Until the lake holds all that the log does, a fresh look finds nothing more, and the features are as far."""
    from ingestion.sinks.lake import Lake

    lake, before = Lake(str(data / "lake")), -1
    while True:
        time.sleep(5)
        files = lake.event_files()
        rows = duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall() if files else [(0,)]
        now = int(rows[0][0])
        if now and now == before and _features_have_read_all(data / "log"):
            return
        before = now


def _features_have_read_all(log: Path) -> bool:
    """Whether the features group has read every event of the embedded log; it is slower than the lake."""
    with closing(sqlite3.connect(f"file:{log / 'records.db'}?mode=ro", uri=True)) as records:
        ends = records.execute("SELECT partition, next_offset FROM partition WHERE topic = 'events'").fetchall()
    with closing(sqlite3.connect(f"file:{log / 'groups.db'}?mode=ro", uri=True)) as groups:
        read = groups.execute(
            "SELECT partition, next_offset FROM progress WHERE group_name = 'features' AND topic = 'events'"
        ).fetchall()
    return dict(ends) == dict(read)


def _wait_for_model(address: str) -> None:
    for _ in range(240):
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
                if json.load(answer)["parts"]["model"]["detail"].startswith("model "):
                    return
        except OSError:
            pass
        time.sleep(0.5)
    sys.exit(f"{address} does not answer with the model; the lines above say why")


def _post(address: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(address, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
    return answer
