import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from feature_repo.errors import Conflict, Corrupt, Misconfigured
from training.search.space import Choice, Range, Space
from training.search.studies import (
    ABOUT,
    JOURNAL,
    Explored,
    Studies,
    check_optuna,
    explore,
    known_until,
    only_search,
    resume,
    scores_of,
    write_about,
)
from training.settings import Value

SPACE: Space = {"x": Range(0, 1), "n": Range(1, 8, log=True), "flag": Choice((False, True))}
IN_FORCE: Mapping[str, Value] = {"x": 0.1, "n": 2, "flag": False, "other": 3}
ABOUT_IT = {"data": {"interactions": 100, "last_event": "2026-03-01T12:00:00+00:00"}}


def near_the_middle(values: Mapping[str, Value]) -> float:
    return 1 - abs(values["x"] - 0.5)


def run(
    folder: Path,
    trials: int,
    score: Callable[[Mapping[str, Value]], float] = near_the_middle,
    in_force: Mapping[str, Value] = IN_FORCE,
    told: Callable[[int, float], None] = lambda number, score: None,
) -> Explored:
    study = Studies(folder, seed=7).study("model")
    explored = explore(study, SPACE, in_force, score, lambda done: done < trials, told)
    assert explored is not None
    return explored


class TestExplore:
    def test_it_finds_better_than_what_is_in_force(self, tmp_path: Path) -> None:
        explored = run(tmp_path, 30)
        assert explored.trials == 30
        assert explored.in_force.score == pytest.approx(0.6)
        assert explored.improved
        assert abs(explored.best.values["x"] - 0.5) < 0.1
        assert explored.best.score == near_the_middle(explored.best.values)

    def test_a_second_call_goes_on_where_the_first_one_ended(self, tmp_path: Path) -> None:
        first = run(tmp_path, 5)
        told: list[int] = []
        second = run(tmp_path, 8, told=lambda number, score: told.append(number))
        assert told == [5, 6, 7]
        assert second.best.score >= first.best.score
        assert run(tmp_path, 8, score=lambda values: pytest.fail("nothing is left to try")) == second

    def test_a_second_call_does_not_repeat_the_first_ones_random_beginning(self, tmp_path: Path) -> None:
        tried: list[float] = []

        def score(values: Mapping[str, Value]) -> float:
            tried.append(float(values["x"]))
            return near_the_middle(values)

        for trials in (3, 6, 9):
            run(tmp_path, trials, score)
        assert len(set(tried)) == len(tried)

    def test_one_call_with_one_seed_always_tries_the_same(self, tmp_path: Path) -> None:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
        assert run(tmp_path / "one", 12) == run(tmp_path / "other", 12)

    def test_what_is_in_force_stays_where_nothing_scores_higher(self, tmp_path: Path) -> None:
        explored = run(tmp_path, 5, score=lambda values: 0.5)
        assert not explored.improved
        assert explored.best.values == {"x": 0.1, "n": 2, "flag": False}

    def test_what_is_in_force_may_lie_outside_of_the_space(self, tmp_path: Path) -> None:
        off = {**IN_FORCE, "x": -1.0}
        explored = run(tmp_path, 5, score=lambda values: float(values["x"] < 0), in_force=off)
        assert explored.best.values["x"] == -1.0
        assert run(tmp_path, 6, in_force=off).in_force.score == 1.0

    def test_a_trial_that_was_running_when_it_was_killed_counts_as_failed(self, tmp_path: Path) -> None:
        run(tmp_path, 3)
        Studies(tmp_path, seed=7).study("model").ask()
        assert run(tmp_path, 4).trials == 4
        states = [trial.state.name for trial in Studies(tmp_path, seed=7).study("model").trials]
        assert states == ["COMPLETE", "COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]

    def test_without_time_nothing_is_scored(self, tmp_path: Path) -> None:
        study = Studies(tmp_path, seed=7).study("model")
        assert explore(study, SPACE, IN_FORCE, near_the_middle, lambda done: False, lambda n, s: None) is None
        assert scores_of(study) == []

    def test_more_than_the_values_is_to_be_beaten(self, tmp_path: Path) -> None:
        study = Studies(tmp_path, seed=7).study("blend")
        explored = explore(
            study, SPACE, IN_FORCE, near_the_middle, lambda done: done < 3, lambda n, s: None, reference=2.0
        )
        assert explored is not None
        assert (explored.in_force.score, explored.improved, explored.trials) == (2.0, False, 3)
        assert scores_of(study)[0] == pytest.approx(0.6)


class TestJournal:
    def test_half_a_line_at_its_end_is_forgotten(self, tmp_path: Path) -> None:
        run(tmp_path, 3)
        with (tmp_path / JOURNAL).open("ab") as journal:
            journal.write(b'{"op_code":6,"worker')
        assert run(tmp_path, 4).trials == 4

    def test_what_is_no_journal_is_named(self, tmp_path: Path) -> None:
        (tmp_path / JOURNAL).write_bytes(b"not\na journal\n")
        with pytest.raises(Corrupt, match=r"journal\.log cannot be read: .* give --anew"):
            Studies(tmp_path, seed=7)


class TestResume:
    def test_a_search_of_the_same_is_gone_on_with(self, tmp_path: Path) -> None:
        assert resume(tmp_path, ABOUT_IT, anew=False) == {}
        write_about(tmp_path, ABOUT_IT, {"run": "r1"})
        assert resume(tmp_path, ABOUT_IT, anew=False) == {"run": "r1"}
        assert known_until(tmp_path) == datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)

    def test_a_search_of_other_data_is_refused_and_told_apart(self, tmp_path: Path) -> None:
        resume(tmp_path, ABOUT_IT, anew=False)
        with pytest.raises(Conflict, match=r"other data \(interactions 100 then, 120 now\); give --anew"):
            resume(tmp_path, {"data": ABOUT_IT["data"] | {"interactions": 120}}, anew=False)

    def test_what_a_search_did_not_have_yet_is_told_too(self, tmp_path: Path) -> None:
        resume(tmp_path, {"search space": {"als": 1}}, anew=False)
        with pytest.raises(Conflict, match=r"other search space \(ease nothing then, 2 now\)"):
            resume(tmp_path, {"search space": {"als": 1, "ease": 2}}, anew=False)

    def test_anew_forgets_what_was_tried(self, tmp_path: Path) -> None:
        resume(tmp_path, ABOUT_IT, anew=False)
        run(tmp_path, 3)
        assert resume(tmp_path, ABOUT_IT, anew=True) == {}
        assert run(tmp_path, 1).trials == 1

    @pytest.mark.parametrize("text", ["", "{", "[]", '{"about": 1, "noted": {}}', '{"about": {}, "noted": {}}'])
    def test_a_broken_note_is_named(self, tmp_path: Path, text: str) -> None:
        (tmp_path / ABOUT).write_text(text)
        with pytest.raises(Corrupt, match=r"search\.json .*give --anew"):
            known_until(tmp_path)


def test_a_second_search_at_once_is_told_who_is_first(tmp_path: Path) -> None:
    with only_search(tmp_path), pytest.raises(Conflict, match=f"process {os.getpid()}"), only_search(tmp_path):
        pass
    with only_search(tmp_path):
        pass


def test_without_optuna_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, "optuna", absent)
    with pytest.raises(Misconfigured, match=r"pip install 'shopfloor\[search\]'"):
        check_optuna()
