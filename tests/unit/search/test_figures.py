from pathlib import Path

import pytest

from training.search.figures import history_figure, importance_figure, importance_of
from training.search.space import Range
from training.search.studies import Studies, explore


def test_the_setting_that_decides_is_the_important_one(tmp_path: Path) -> None:
    study = Studies(tmp_path, seed=1).study("model")
    space = {"decides": Range(0, 1), "idle": Range(0, 1)}
    explore(
        study,
        space,
        {"decides": 0.5, "idle": 0.5},
        lambda values: float(values["decides"]),
        lambda done: done < 25,
        lambda number, score: None,
    )
    importance = importance_of(study, 25, seed=1)
    assert importance["decides"] > importance["idle"]
    assert sum(importance.values()) == pytest.approx(1)
    labels = [label.get_text() for label in importance_figure("model", importance).axes[0].get_yticklabels()]
    assert labels[-1] == "decides"
    assert importance_of(study, 5, seed=1) == {}


def test_the_history_shows_the_best_so_far(tmp_path: Path) -> None:
    figure = history_figure("model", [0.2, 0.1, 0.3], in_force=0.2)
    best = next(line for line in figure.axes[0].lines if line.get_label() == "best so far")
    assert list(best.get_ydata()) == [0.2, 0.2, 0.3]
    figure.savefig(tmp_path / "history.png")
    history_figure("nothing tried", [], in_force=0.2).savefig(tmp_path / "empty.png")
