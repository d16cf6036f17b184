"""``shopfloor evaluate`` as it is typed."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from feature_repo.errors import BadInput, NotFound, TryLater
from shopfloor.cli import app
from training.evaluation.task import Metric
from training.evaluation.tracking import PAGE, ROWS
from training.mlflow_client import open_client
from training.models import MODELS
from training.registry import MODEL


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    train, test = tmp_path / "train.parquet", tmp_path / "test.parquet"
    clicks = [(s, item, 100 * s + place) for s in range(33) for place, item in enumerate(("a", "b", "c"))]
    pd.DataFrame(clicks[:90], columns=["SessionId", "ItemId", "Time"]).to_parquet(train)
    pd.DataFrame(clicks[90:], columns=["SessionId", "ItemId", "Time"]).to_parquet(test)
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
        for metric in ("hr", "mrr", "coverage", "novelty", "top_share", "diversity")
        for k in (1, 2)
        if (metric, k) != ("diversity", 1)  # one item cannot differ from itself
    }
    assert all(set(row) == {"model", "metric", "k", "value", "low", "high", "n"} for row in found)
    assert all(row["low"] <= row["value"] + 1e-12 and row["value"] <= row["high"] + 1e-12 for row in found)
    assert all(row["n"] == 6 for row in found if row["metric"] != "diversity")
    assert "popular" in result.stdout
    assert "fitting" not in result.stdout


def test_compare_adds_paired_differences(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    options = ("--model", "covisitation", "--model", "popular", "--compare", "--json", str(out))
    CliRunner().invoke(app, arguments(*files, *options), catch_exceptions=False)
    assert "covisitation - popular" in {row["model"] for row in json.loads(out.read_text())["rows"]}


def test_slices_are_rows_of_their_own_and_the_others_keep_their_form(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.json"
    CliRunner().invoke(
        app, arguments(*files, "--model", "popular", "--slices", "--json", str(out)), catch_exceptions=False
    )
    found = json.loads(out.read_text())["rows"]
    sliced = {(row["slice"], row["metric"]): row["n"] for row in found if "slice" in row}
    assert sliced["session=1", "hr"] == sliced["session=2", "mrr"] == 3
    assert {row["metric"] for row in found if "slice" not in row} >= {"hr", "mrr", "coverage"}


def test_a_market_named_like_markup_is_shown_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "clicks.parquet"
    clicks = [(s, item, 100 * s + place, market) for s, market in enumerate(("AT", "[/red]") * 15)
              for place, item in enumerate("abc")]  # fmt: skip
    pd.DataFrame(clicks, columns=["session", "item", "time", "market"]).to_parquet(file)
    command = ["evaluate", "--protocol", "sessions", "--data", str(file), "--share", "0.3", "--model", "popular"]
    result = CliRunner().invoke(app, [*command, "--slices"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "[/red]" in result.stdout


def test_one_file_is_cut_in_time_and_explained_on_a_page(files: tuple[Path, Path], tmp_path: Path) -> None:
    page, out = tmp_path / "report.html", tmp_path / "rows.json"
    columns = "session=SessionId,item=ItemId,time=Time"
    cut = ["--split", "temporal", "--data", str(files[0]), "--share", "0.3", "--columns", columns]
    models = ["--model", "covisitation", "--model", "popular"]
    command = ["evaluate", "--protocol", "sessions", *cut, *models, "--report", str(page), "--json", str(out)]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    assert "The file was cut at" in result.stderr
    assert "what visitors" not in page.read_text()
    assert "covisitation: what is looked at or bought after an item" in page.read_text()
    rows = json.loads(out.read_text())["rows"]
    assert {row["n"] for row in rows if row["metric"] == "hr"} == {18}  # 9 of the 30 sessions begin after the cut
    assert not any("slice" in row for row in rows)


@pytest.fixture
def shared(files: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """The training file also has the first of the three test sessions."""
    train, test = (pd.read_parquet(file) for file in files)
    leaky = tmp_path / "leaky.parquet"
    pd.concat([train, test[:3]]).to_parquet(leaky)
    return leaky, files[1]


def test_what_makes_figures_flatter_stands_beside_them_everywhere(shared: tuple[Path, Path], tmp_path: Path) -> None:
    config, page, out = (tmp_path / name for name in ("shopfloor.toml", "page.html", "rows.json"))
    config.write_text('data = "shop"\n')
    more = ("--report", str(page), "--json", str(out), "--track", "--config", str(config))
    result = CliRunner().invoke(app, arguments(*shared, "--model", "popular", *more), catch_exceptions=False)
    caution = "1 of the 3 test sessions have an id that the training file has too, 1 of them with the same clicks"
    client = open_client(f"sqlite:///{tmp_path}/shop/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name(MODEL).experiment_id])
    for place in (
        result.stderr,
        " ".join(result.stdout.split()),
        page.read_text(),
        json.loads(out.read_text())["cautions"][0],
        run.data.params["cautions"],
    ):
        assert caution in place


def test_no_file_of_figures_warns_of_nothing(files: tuple[Path, Path], tmp_path: Path) -> None:
    page, out = tmp_path / "page.html", tmp_path / "rows.json"
    more = ("--model", "popular", "--report", str(page), "--json", str(out))
    result = CliRunner().invoke(app, arguments(*files, *more), catch_exceptions=False)
    assert "Caution" not in result.output + page.read_text()
    assert set(json.loads(out.read_text())) == {"rows"}


def test_an_evaluation_is_logged_beside_the_trainings(files: tuple[Path, Path], tmp_path: Path) -> None:
    config, report = tmp_path / "shopfloor.toml", tmp_path / "page.html"
    config.write_text('data = "shop"\n')
    models = ("--model", "covisitation", "--model", "popular", "--compare", "--slices")
    more = ("--report", str(report), "--track", "--config", str(config))
    result = CliRunner().invoke(app, arguments(*files, *models, *more), catch_exceptions=False)
    client = open_client(f"sqlite:///{tmp_path}/shop/mlflow.db")
    experiment = client.get_experiment_by_name(MODEL)
    (run,) = client.search_runs([experiment.experiment_id])
    assert f"logged to MLflow as run {run.info.run_id}" in result.stderr.replace("\n", " ")
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("evaluate ")
    assert run.data.params["protocol"] == "sessions"
    assert run.data.params["learnt_from"] == "train.parquet"
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(tmp_path)
    assert (artifacts / PAGE).read_text() == report.read_text()
    for row in json.loads((artifacts / ROWS).read_text())["rows"]:
        name = f"{row['model']}.{row['metric']}_{row['k']}"
        if "slice" not in row:
            logged = [run.data.metrics[name + end] for end in ("", ".low", ".high")]
            assert logged == pytest.approx([row["value"], row["low"], row["high"]])
    assert "covisitation - popular.hr_20.low" in run.data.metrics


def test_an_evaluation_that_cannot_be_logged_has_its_files_and_says_so(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    config, report = tmp_path / "shopfloor.toml", tmp_path / "page.html"
    config.write_text('models = "nosuch://place"\n')
    more = ("--model", "popular", "--report", str(report), "--track", "--config", str(config))
    with pytest.raises(TryLater, match="could not be logged to MLflow"):
        CliRunner().invoke(app, arguments(*files, *more), catch_exceptions=False)
    assert report.exists()


def test_one_file_is_cut_in_time_unless_told_otherwise(files: tuple[Path, Path], tmp_path: Path) -> None:
    columns = "session=SessionId,item=ItemId,time=Time"
    command = ["evaluate", "--protocol", "sessions", "--data", str(files[0]), "--columns", columns]
    found = []
    for number, split in enumerate(([], ["--split", "temporal", "--share", "0.1"])):
        out = tmp_path / f"rows{number}.json"
        told = [*command, *split, "--model", "popular", "--json", str(out)]
        result = CliRunner().invoke(app, told, catch_exceptions=False)
        assert "The file was cut at" in result.stderr
        found.append(json.loads(out.read_text())["rows"])
    assert found[0] == found[1]


def test_prices_of_the_items_file_give_the_share_of_money(files: tuple[Path, Path], tmp_path: Path) -> None:
    items, out = tmp_path / "items.csv", tmp_path / "rows.json"
    items.write_text("ItemId,category,price\na,tea,1\nb,tea,1\nc,,3\n")
    options = ("--model", "covisitation", "--k", "1", "--items", str(items), "--json", str(out))
    CliRunner().invoke(app, arguments(*files, *options), catch_exceptions=False)
    money = [row for row in json.loads(out.read_text())["rows"] if row["metric"] == "revenue"]
    assert [row["value"] for row in money] == [pytest.approx(1.0)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "give --data FILE, which is cut in time, or --train FILE and --test FILE"),
        (["--train", "x.csv"], "give --data FILE, which is cut in time, or --train FILE and --test FILE"),
        (["--split", "temporal"], "give --data FILE, which is cut in time, or --train FILE and --test FILE"),
        (["--data", "x.csv", "--test", "x.csv"], "or --train FILE and --test FILE, not both"),
        (["--split", "held-out", "--data", "x.csv"], "--split held-out: --data is cut in time only"),
        (["--split", "random", "--data", "x.csv"], "--split random: known are temporal and held-out"),
        (["--data", "x.csv", "--share", "1"], "--share 1.0"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(given: list[str], message: str) -> None:
    command = ["evaluate", "--protocol", "users", "--model", "popular", *given]
    with pytest.raises(BadInput, match=message):
        CliRunner().invoke(app, command, catch_exceptions=False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--model", "magic"), r"--model magic: known are .*popular"),
        (("--model", "popular", "--k", "0"), "--k 0"),
        (("--model", "popular", "--split", "held-out"), "--split held-out: sessions are asked about as a whole"),
        (("--model", "popular", "--exclude", "some"), "--exclude some: known are none, bought, seen"),
        (("--model", "popular", "--target", "hover"), "'hover' is no kind of event"),
        (("--model", "popular", "--json", "/no/such/folder/rows.json"), "there is no folder"),
        (("--model", "popular", "--json", "/"), "--json / is a folder"),
        (("--model", "popular", "--report", "/no/such/folder/report.html"), "--report /no/such/folder/report.html"),
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


def test_help_shows_examples_and_every_metric() -> None:
    result = CliRunner().invoke(app, ["evaluate", "--help"])
    assert "--protocol baskets" in result.stdout
    assert "--data clicks.parquet" in result.stdout
    assert all(metric in result.stdout for metric in Metric)
    words = set(re.findall(r"\w+", result.stdout.split("Models:")[1]))
    assert set(MODELS) <= words


def test_a_row_of_a_piped_table_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    file = tmp_path / "clicks.parquet"
    market = "The United Kingdom of Great Britain and Northern Ireland"
    clicks = [(s, item, 100 * s + place, name) for s, name in enumerate(("AT", market) * 15)
              for place, item in enumerate("abc")]  # fmt: skip
    pd.DataFrame(clicks, columns=["session", "item", "time", "market"]).to_parquet(file)
    command = ["evaluate", "--protocol", "sessions", "--data", str(file), "--share", "0.3", "--model", "covisitation"]
    result = CliRunner().invoke(app, [*command, "--model", "popular", "--compare", "--slices"], catch_exceptions=False)
    rows = [line for line in result.stdout.splitlines() if market in line]
    assert rows
    assert all(re.search(r"@20 .* \d\.\d{4} +│ +\d\.\d{4} to \d\.\d{4} ", row) for row in rows)


def test_a_model_of_the_shops_own_is_measured_as_any_other(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", sys.path.copy())
    source = "from training.candidates.popular import Popular\nclass Evaluated(Popular):\n    name = 'evaluated'\n"
    (tmp_path / "of_the_evaluated_shop.py").write_text(source)
    config, out = tmp_path / "shopfloor.toml", tmp_path / "rows.json"
    config.write_text('[training]\nown_models = { evaluated = { path = "of_the_evaluated_shop:Evaluated" } }\n')
    options = ("--model", "evaluated", "--config", str(config), "--json", str(out))
    result = CliRunner().invoke(app, arguments(*files, *options))
    assert result.exit_code == 0, result.output
    assert {row["model"] for row in json.loads(out.read_text())["rows"]} == {"evaluated"}
