"""``shopfloor import`` as a process, on the embedded log: killed, out of room, on the real files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from ingestion.transports.log import EVENTS, PRODUCTS, TAXONOMY
from ingestion.transports.opening import open_log

MAPPING = """
target = "events"
[fields]
event_name = "event"
event_time = "time"
user_id = "user"
items.item_id = "item"
"""
REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("SHOPFLOOR_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


class Shop:
    """A folder with its own data, and the command run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.imports = folder / "data" / "imports"
        self.largest_file: int | None = None
        """What the command's files may grow to, in blocks of 512 bytes: a disk that fills up."""

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        limit = f"ulimit -f {self.largest_file}" if self.largest_file else ":"
        command = [
            "sh",
            "-c",
            f'{limit}; exec "$@"',
            "sh",
            sys.executable,
            "-c",
            "from shopfloor.cli import main; main()",
            "import",
            *map(str, arguments),
        ]
        environ = os.environ | {"SHOPFLOOR_DATA": str(self.folder / "data")}
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=environ, stdout=pipe, stderr=pipe, text=True)

    def run(self, *arguments: object) -> tuple[int, Any, str]:
        """(exit status, the JSON document, standard error)"""
        process = self.start(*arguments, "--json")
        out, errors = process.communicate(timeout=200)
        return process.returncode, json.loads(out) if out else None, errors

    async def records(self, topic: str) -> list[dict[str, Any]]:
        log = await open_log(str(self.folder / "data" / "log"), "test")
        try:
            wanted = sum((await log.end_offsets(topic)).values())
            tail = await log.tail(topic, {})
            found: list[dict[str, Any]] = []
            while wanted and (records := await tail.poll(10_000, 1.0)):
                found += [msgspec.json.decode(record.value) for record in records]
            await tail.close()
            return found
        finally:
            await log.close()

    def a_table(self, lines: int) -> tuple[Path, str, Path]:
        path, mapping = self.folder / "old.csv", self.folder / "MAPPING.toml"
        rows = (f"view_item,{1_700_000_000 + n},u{n % 500},p{n}" for n in range(lines))
        path.write_text("\n".join(["event,time,user,item", *rows]))
        mapping.write_text(MAPPING + '[time]\nformat = "epoch_s"\n')
        return path, "--map", mapping


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is missing: point SHOPFLOOR_TEST_DATA at the folder of the shared data sets")
    return path


class TestInterruptions:
    async def test_killed_and_run_again_every_line_is_there_once(self, shop: Shop) -> None:
        lines = 30_000
        table = shop.a_table(lines)
        process = shop.start("table", *table)
        sent = self._wait_until_half_is_sent(shop, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 0 < sent < lines, "the import was over before it could be killed"
        status, report, errors = shop.run("table", *table)
        assert status == 0, errors
        assert report["resumed_after"] >= sent
        assert report["accepted"] == {"events": lines}
        items = {event["event_id"]: event["items"][0]["item_id"] for event in await shop.records(EVENTS)}
        assert Counter(items.values()) == Counter(f"p{n}" for n in range(lines))

    def _wait_until_half_is_sent(self, shop: Shop, process: subprocess.Popen[str]) -> int:
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline and process.poll() is None:
            for path in shop.imports.glob("*[0-9a-f].json"):
                checkpoint = json.loads(path.read_text())
                if checkpoint["sent"].get(EVENTS, 0) > 0:
                    return int(checkpoint["sent"][EVENTS])
            time.sleep(0.002)
        pytest.fail(f"nothing was sent: {process.communicate()[1]}")

    async def test_a_full_disk_ends_it_with_try_later_and_nothing_is_lost(self, shop: Shop) -> None:
        table = shop.a_table(10_000)
        shop.largest_file = 1_000
        status, document, errors = shop.run("table", *table)
        assert status == 75, errors
        assert document["error"]["title"] == "Try again later"
        shop.largest_file = None
        status, report, errors = shop.run("table", *table)
        assert status == 0, errors
        assert report["accepted"] == {"events": 10_000}
        assert len({event["event_id"] for event in await shop.records(EVENTS)}) == 10_000


class TestTheCommand:
    def test_no_file(self, shop: Shop) -> None:
        status, document, errors = shop.run("online-retail", shop.folder / "nothing.csv")
        assert status == 66
        assert "there is no file" in document["error"]["detail"]
        assert "there is no file" in errors

    def test_a_mapping_that_does_not_fit(self, shop: Shop) -> None:
        path, option, mapping = shop.a_table(1)
        mapping.write_text(MAPPING.replace("user_id", "userid"))
        status, document, _ = shop.run("table", path, option, mapping)
        assert status == 65
        assert "did you mean 'user_id'?" in document["error"]["detail"]

    async def test_the_report_for_people_shows_refused_lines(self, shop: Shop) -> None:
        path, option, mapping = shop.a_table(3)
        with path.open("a") as stream:
            stream.write("\nbroken [line]\n")
        process = shop.start("table", path, option, mapping)
        out, errors = process.communicate(timeout=100)
        assert process.returncode == 0, errors
        assert "line 5: broken [line]" in out
        assert "Mend and import again:" in out
        assert len(await shop.records(EVENTS)) == 3
        (report,) = shop.imports.glob("*-report.json")
        assert json.loads(report.read_text())["lines"] == {"read": 4, "used": 3, "left_out": 0, "refused": 1}


@pytest.mark.data
class TestTheRealFiles:
    @pytest.mark.slow
    async def test_online_retail(self, shop: Shop) -> None:
        status, report, errors = shop.run("online-retail", real("online_retail/online_retail.parquet"))
        assert status == 0, errors
        assert report["lines"] == {"read": 541_909, "used": 531_205, "left_out": 10_704, "refused": 0}
        assert report["accepted"] == {"products": 3_812, "events": 23_245}
        events = await shop.records(EVENTS)
        assert len({event["event_id"] for event in events}) == 23_245
        assert len({event["market"] for event in events}) == 38
        assert {event["currency"] for event in events} == {"GBP"}
        times = [event["event_time"] for event in events]
        assert min(times) == "2010-12-01T08:26:00Z"
        sold = {item["item_id"] for event in events for item in event["items"]}
        assert sold == {product["item_id"] for product in await shop.records(PRODUCTS)}
        assert not sold & {"POST", "DOT", "M", "D", "S", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS"}

    async def test_online_retail_says_the_same_as_csv_and_as_parquet(self, shop: Shop) -> None:
        part = f"SELECT * FROM '{real('online_retail/online_retail.parquet')}' LIMIT 20000"
        as_csv = part.replace("*", "* REPLACE (strftime(InvoiceDate, '%-m/%-d/%Y %-H:%M') AS InvoiceDate)")
        duckdb.sql(f"COPY ({part}) TO '{shop.folder}/part.parquet'")
        duckdb.sql(f"COPY ({as_csv}) TO '{shop.folder}/part.csv'")
        for name in ("part.parquet", "part.csv"):
            status, _, errors = shop.run("online-retail", shop.folder / name)
            assert status == 0, errors
        times_seen = Counter(event["event_id"] for event in await shop.records(EVENTS))
        assert set(times_seen.values()) == {2}

    async def test_retailrocket(self, shop: Shop) -> None:
        status, report, errors = shop.run("retailrocket", real("retailrocket_raw"))
        assert status == 0, errors
        assert report["accepted"] == {"taxonomy": 1_669, "products": 6_610, "events": 9_376}
        assert report["events"] == {"view_item": 9_075, "add_to_cart": 261, "purchase": 40}
        nodes = await shop.records(TAXONOMY)
        assert sum("parent_id" not in node for node in nodes) == 25
        assert {node["size"] for node in nodes} == {1_669}
