"""``shopfloor export training-set`` from a lake with features, as a data scientist types it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from feature_repo.errors import BadInput, NotFound
from ingestion.contracts.tables import EVENTS_SCHEMA
from ingestion.sinks.lake import Lake, Source
from shopfloor.cli import app

FIRST = datetime(2026, 3, 1, 12, tzinfo=UTC)


def an_event(day: int, name: str, item: str) -> dict[str, Any]:
    when = FIRST + timedelta(days=day)
    told = {"event_id": f"{day} {name}", "event_name": name, "event_time": when, "received_at": when}
    bought = {"transaction_id": f"order {day}"} if name == "purchase" else {}
    items = [{"item_id": item, "price": 4.0, "currency": "EUR"}]
    return told | bought | {"user_id": "anna", "items": items, "event_date": when.date(), "market": "DE"}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Anna bought tea, bought a pot three days later, and looked at a cup after three more."""
    monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    events = [an_event(0, "purchase", "tea"), an_event(3, "purchase", "pot"), an_event(6, "view_item", "cup")]
    rows = [event | {"log_partition": 0, "log_offset": offset} for offset, event in enumerate(events)]
    table = pa.Table.from_pylist(rows, schema=EVENTS_SCHEMA)
    Lake(str(tmp_path / "lake")).append("events", table, Source("log", "events"), {0: len(rows)})
    return tmp_path


def export(out: Path, *more: str) -> dict[str, Any]:
    command = ["export", "training-set", str(out), "--since", "2026-03-01", "--until", "2026-04-01", "--json"]
    done = CliRunner().invoke(app, [*command, *more], catch_exceptions=False)
    assert done.exit_code == 0
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_each_row_has_the_features_that_were_known_at_its_moment(shop: Path) -> None:
    done = CliRunner().invoke(app, ["materialize"], catch_exceptions=False)
    assert done.exit_code == 0
    out = shop / "set.parquet"
    told = export(out)
    frame = pd.read_parquet(out).sort_values("event_timestamp")
    assert told == {"file": str(out), "rows": 3, "columns": list(frame.columns), "service": "ranker_v1"}
    assert frame["customer_key"].tolist() == ["u:anna"] * 3
    assert frame["item_id"].tolist() == ["tea", "pot", "cup"]
    assert frame["action"].tolist() == ["buy", "buy", "view"]
    orders = frame["user_profile__n_orders"].tolist()
    assert pd.isna(orders[0])
    assert orders[1:] == [1, 2]
    assert [path.name for path in shop.glob("*set.parquet*")] == ["set.parquet"]
    with pytest.raises(NotFound, match=r"no feature service ranker_v9; known are .*ranker_v1"):
        export(out, "--service", "ranker_v9", "--until", "2026-03-01")  # told before the lake has no rows to give
    assert export(out, "--since", "2026-03-03", "--most", "1")["rows"] == 1
    assert pd.read_parquet(out)["item_id"].tolist() == ["pot"]


def test_features_that_were_never_made_are_asked_for_by_name(shop: Path) -> None:
    with pytest.raises(NotFound, match="run shopfloor materialize"):
        export(shop / "set.parquet")
    assert not list(shop.glob("*set.parquet*"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--rows", "guesses"), "--rows guesses is unknown; choose interactions or exposures"),
        (("--rows", "exposures"), "the lake holds no exposures yet"),
        (("--since", "2026-03-20"), "choose another --since or --until"),
    ],
)
def test_what_would_give_no_rows_says_why(shop: Path, more: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        export(shop / "set.parquet", *more)


def test_a_folder_that_is_not_there(shop: Path) -> None:
    with pytest.raises(BadInput, match="gone"):
        export(shop / "gone" / "set.parquet")


def test_a_name_that_promises_another_format(shop: Path) -> None:
    with pytest.raises(BadInput, match=r"what is written is Parquet; give it a name like set\.parquet"):
        export(shop / "set.csv")
    assert not (shop / "set.csv").exists()
