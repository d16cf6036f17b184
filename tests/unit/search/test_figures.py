from pathlib import Path

import pytest
from optuna import Study

from training.search import figures
from training.search.figures import history_figure, importance_figure, importance_of
from training.search.space import Range
from training.search.studies import Studies, explore


def explored(folder: Path, trials: int) -> Study:
    """A study of two settings, of which one decides."""
    study = Studies(folder, seed=1).study("model")
    space = {"decides": Range(0, 1), "idle": Range(0, 1)}
    explore(
        study,
        space,
        {"decides": 0.5, "idle": 0.5},
        lambda values: float(values["decides"]),
        lambda done: done < trials,
        lambda number, score: None,
    )
    return study


def test_the_setting_that_decides_is_the_important_one(tmp_path: Path) -> None:
    importance = importance_of(explored(tmp_path, 25), seed=1)
    assert importance["decides"] > importance["idle"]
    assert sum(importance.values()) == pytest.approx(1)
    labels = [label.get_text() for label in importance_figure("model", importance).axes[0].get_yticklabels()]
    assert labels[-1] == "decides"


def test_a_few_trials_tell_nothing_of_importance(tmp_path: Path) -> None:
    assert importance_of(explored(tmp_path, 5), seed=1) == {}


def test_of_many_trials_the_first_ones_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_TRIALS", 12)
    importance = importance_of(explored(tmp_path, 12), seed=1)
    assert importance_of(explored(tmp_path, 20), seed=1) == importance
    monkeypatch.setattr(figures, "MOST_TRIALS", 20)
    assert importance_of(explored(tmp_path, 20), seed=1) != importance


def test_the_history_shows_the_best_so_far(tmp_path: Path) -> None:
    figure = history_figure("model", [0.2, 0.1, 0.3], in_force=0.2)
    best = next(line for line in figure.axes[0].lines if line.get_label() == "best so far")
    assert list(best.get_ydata()) == [0.2, 0.2, 0.3]
    figure.savefig(tmp_path / "history.png")
    history_figure("nothing tried", [], in_force=0.2).savefig(tmp_path / "empty.png")
