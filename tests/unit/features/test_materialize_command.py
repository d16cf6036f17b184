"""``shopfloor materialize`` as a script calls it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shopfloor.cli import app


def test_a_lake_without_events_gives_one_document_of_zeros(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPFLOOR_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = CliRunner().invoke(app, ["materialize", "--json", "--since", "2026-01-01"])
        assert done.exit_code == 0, done.output
        rows = json.loads(done.stdout)
        assert rows["tables"] == {"user_activity": 0, "user_profile": 0, "item_stats": 0, "item_catalog": 0}
        assert rows["online"] == {"user_profile": 0, "item_stats": 0, "item_catalog": 0}
