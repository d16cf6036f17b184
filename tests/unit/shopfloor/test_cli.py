"""What a script that reads ``--json`` gets when something goes wrong: one document, whatever the error."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from feature_repo.errors import BadInput, Refused
from shopfloor.cli import app, main, wants_document
from shopfloor.commands.options import check_target

ARGUMENTS = {
    "import online-retail": ["sales.csv"],
    "import retailrocket": ["events"],
    "import table": ["table.csv", "--map", "mapping.toml"],
    "export training-set": ["rows.parquet"],
}
"""What a verb needs beside ``--json``."""

Ran = tuple[int, str, str]
Run = Callable[..., Ran]


def verbs_with_json(command: Any, name: str = "") -> Iterator[str]:
    for verb, inner in getattr(command, "commands", {}).items():
        yield from verbs_with_json(inner, f"{name} {verb}".strip())
    if any("--json" in option.opts and option.is_flag for option in command.params):
        yield name


VERBS = sorted(verbs_with_json(typer.main.get_command(app)))


FIRST_STEPS = (
    "shopfloor.settings.LoadedSettings.read",
    "ingestion.importers.online_retail.OnlineRetail",
    "ingestion.importers.retailrocket.RetailRocket",
    "ingestion.importers.mapping.Mapping.read",
)
"""What each verb does before anything else."""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The console script with these arguments: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def ran(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["shopfloor", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        shown = capsys.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    return ran


def everything_raises(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def step(*arguments: object) -> None:
        raise error

    for name in FIRST_STEPS:
        monkeypatch.setattr(name, step)


@pytest.mark.parametrize("verb", VERBS)
class TestEveryVerbWithJson:
    def test_an_error_that_nobody_expected(self, verb: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        everything_raises(monkeypatch, RuntimeError("the moon is in the way"))
        code, out, err = run(*verb.split(), *ARGUMENTS.get(verb, []), "--json")
        assert code == 70
        assert json.loads(out)["error"]["title"] == "Internal error"
        assert "RuntimeError: the moon is in the way" in json.loads(out)["error"]["detail"]
        assert "Traceback" in err

    def test_an_error_of_ours(self, verb: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        everything_raises(monkeypatch, Refused("the moon is too near", moon="full"))
        code, out, err = run(*verb.split(), *ARGUMENTS.get(verb, []), "--json")
        assert code == 77
        told = {"title": "Refused by a gate", "detail": "the moon is too near", "moon": "full"}
        assert json.loads(out) == {"error": told}
        assert "error: the moon is too near" in err
        assert "Traceback" not in err

    def test_what_was_typed_wrong(self, verb: str, run: Run) -> None:
        code, out, err = run(*verb.split(), *ARGUMENTS.get(verb, []), "--json", "--no-such-option")
        assert code == 2
        assert json.loads(out)["error"] == {"title": "Usage", "detail": "No such option: --no-such-option"}
        assert "--no-such-option" in err


def test_a_verb_that_does_not_exist(run: Run) -> None:
    code, out, _ = run("trian", "--json")
    assert (code, json.loads(out)["error"]["title"]) == (2, "Usage")


class TestWithoutJson:
    def test_standard_output_stays_empty(self, run: Run) -> None:
        code, out, err = run("replay", "--config", "nowhere.toml")
        assert (code, out) == (78, "")
        assert "nowhere.toml" in err

    @pytest.mark.parametrize("wrong", [["--config", "nowhere.toml"], ["--no-such-option"]])
    def test_the_file_that_evaluate_writes_asks_for_no_document(self, wrong: list[str], run: Run) -> None:
        code, out, _ = run("evaluate", "--protocol", "users", "--model", "popular", "--json", "rows.json", *wrong)
        assert code in (2, 78)
        assert out == ""

    def test_help_asks_for_none(self) -> None:
        assert not wants_document(["train"])


class TestTargets:
    def test_dead_letters_into_a_folder_that_is_not_there(self, run: Run) -> None:
        code, out, _ = run("replay", "--export", "nowhere/letters.jsonl", "--json")
        assert code == 65
        assert "--export nowhere/letters.jsonl: there is no folder" in json.loads(out)["error"]["detail"]

    def test_a_folder_is_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"--json .* is a folder"):
            check_target("--json", tmp_path)

    def test_a_file_that_no_right_lets_anybody_make(self) -> None:
        if not Path("/proc/self").exists():
            pytest.skip("this system has no /proc, where nothing can be written")
        with pytest.raises(BadInput, match=r"--json /proc/rows.json cannot be written: .*; give another file"):
            check_target("--json", Path("/proc/rows.json"))

    def test_looking_changes_nothing(self, tmp_path: Path) -> None:
        kept = tmp_path / "kept"
        kept.write_text("as it was")
        check_target("OUT", kept)
        check_target("OUT", tmp_path / "new")
        assert kept.read_text() == "as it was"
        assert list(tmp_path.iterdir()) == [kept]
