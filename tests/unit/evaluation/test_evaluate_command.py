"""``shopfloor evaluate`` as it is typed."""

import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from feature_repo.errors import BadInput, NotFound
from shopfloor.cli import app


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    clicks = [(s, item, 100 * s + place) for s in range(30) for place, item in enumerate(("a", "b", "c"))]
    pd.DataFrame(clicks, columns=["SessionId", "ItemId", "Time"]).to_parquet(train)
    pd.DataFrame(clicks[:9], columns=["SessionId", "ItemId", "Time"]).to_parquet(test)
    return train, test


def arguments(train: Path, test: Path, *more: str) -> list[str]:
    columns = "session=SessionId,item=ItemId,time=Time"
    files = ["--train", str(train), "--test", str(test), "--columns", columns]
    return ["evaluate", "--protocol", "sessions", *files, *more]


def test_writes_every_figure_and_prints_a_table(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    options = ("--model", "popular", "--model", "covisitation", "--k", "1", "--k", "2", "--json", str(out))
    result = CliRunner().invoke(app, arguments(*files, *options))
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())["rows"]
    assert {(row["model"], row["metric"], row["k"]) for row in found} == {
        (model, metric, k)
        for model in ("popular", "covisitation")
        for metric in ("hr", "mrr", "coverage")
        for k in (1, 2)
    }
    assert all(set(row) == {"model", "metric", "k", "value", "low", "high", "n"} for row in found)
    assert all(row["low"] <= row["value"] + 1e-12 and row["value"] <= row["high"] + 1e-12 for row in found)
    assert all(row["n"] == 6 for row in found)
    assert "popular" in result.stdout
    assert "fitting" not in result.stdout


def test_compare_adds_paired_differences(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    options = ("--model", "covisitation", "--model", "popular", "--compare", "--json", str(out))
    CliRunner().invoke(app, arguments(*files, *options), catch_exceptions=False)
    assert "covisitation - popular" in {row["model"] for row in json.loads(out.read_text())["rows"]}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "magic"), r"--model magic: known are .*popular"),
        (("--model", "popular", "--k", "0"), "--k 0"),
        (("--model", "popular", "--exclude", "some"), "--exclude some: known are none, bought, seen"),
        (("--model", "popular", "--target", "hover"), "'hover' is no kind of event"),
        (("--model", "popular", "--json", "/no/such/folder/rows.json"), "there is no folder"),
        (("--model", "popular", "--protocol", "guesses"), "--protocol guesses: known are sessions, users, baskets"),
        (("--model", "popular", "--columns", "session=Visit,item=ItemId"), "no column 'Visit' for session"),
        (("--model", "popular", "--columns", "session=SessionId,item=ItemId,time=Tiem"), "no column 'Tiem' for time"),
    ],
)
def test_a_wrong_argument_is_refused_before_any_work(
    files: tuple[Path, Path], more: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        CliRunner().invoke(app, arguments(*files, *more), catch_exceptions=False)


def test_a_file_that_is_not_there(files: tuple[Path, Path]) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        CliRunner().invoke(app, arguments(files[0], Path("gone.csv"), "--model", "popular"), catch_exceptions=False)


def test_help_shows_examples() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--help"])
    assert "--protocol baskets" in result.stdout
