"""What a model of an evaluation is told: the training part, and how it will be asked."""

from pathlib import Path
from typing import ClassVar, Self

import pandas as pd
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from training.candidates.candidate import NONE, Candidates
from training.evaluation.evaluation import answer
from training.evaluation.protocol import Protocol
from training.evaluation.source import read_source
from training.interactions import History, Interactions
from training.models import fit_for
from training.ranked import Ranked

DAY = 86_400
BOUGHT = [("anna", "pot", 1), ("anna", "tea", 2), ("ben", "pot", 1), ("ben", "cup", 2), ("ben", "tea", 3)]


def files(folder: Path, test_day: int, timed: bool = True) -> tuple[Path, Path]:
    """What two customers did on three days, and what each did on ``test_day``."""
    train, test = folder / "train.csv", folder / "test.csv"
    taken = [("anna", "cup", test_day), ("ben", "tea", test_day)]
    for path, rows in ((train, BOUGHT), (test, taken)):
        frame = pd.DataFrame(rows, columns=["user", "item", "time"])
        told = frame.assign(time=frame["time"] * DAY) if timed else frame[["user", "item"]]
        told.to_csv(path, index=False)
    return train, test


def within(task_files: tuple[Path, Path], split: str | None = None, protocol: Protocol = Protocol.USERS) -> bool:
    """Whether a ranker is taught by questions within the time that it learns from."""
    task = read_source(protocol, *task_files, split, None, 0.1, {}).task
    model = fit_for("ranked", task, seed=1)
    assert isinstance(model, Ranked)
    return model.settings.objective.within


@pytest.mark.parametrize("test_day", [2, 900])
def test_a_ranker_is_asked_as_the_split_says_whatever_the_times_of_the_test_file(test_day: int, tmp_path: Path) -> None:
    asked = files(tmp_path, test_day)
    assert within(asked)
    assert within(asked, "held-out")
    assert not within(asked, "temporal")


def test_one_file_cut_in_time_is_asked_about_afterwards(tmp_path: Path) -> None:
    train, _ = files(tmp_path, 2)
    assert not read_source(Protocol.USERS, None, None, None, train, 0.5, {}).task.held_out


def test_baskets_come_later_unless_told_otherwise(tmp_path: Path) -> None:
    asked = files(tmp_path, 2)
    for file in asked:
        pd.read_csv(file).assign(basket=lambda rows: rows["time"]).to_csv(file, index=False)
    assert not within(asked, protocol=Protocol.BASKETS)
    assert within(asked, "held-out", Protocol.BASKETS)


def test_files_without_times_have_nothing_to_be_within(tmp_path: Path) -> None:
    assert not within(files(tmp_path, 2, timed=False))


class Counting:
    """Notes how many threads BLAS may use while it is fitted and while it is asked."""

    name: ClassVar[str] = "counting"
    threads: ClassVar[list[int]] = []

    @classmethod
    def fit(cls, interactions: Interactions, seed: int = 0) -> Self:
        cls.note()
        return cls()

    def propose(self, history: History, n: int) -> Candidates:
        self.note()
        return NONE

    def because(self, history: History, item: int) -> int | None:
        return None

    def save(self, folder: Path) -> None: ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls()

    @classmethod
    def note(cls) -> None:
        cls.threads += [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_figures_do_not_depend_on_the_number_of_cores(tmp_path: Path) -> None:
    """Sums of several threads come in another order: of a graph filter, other lists."""
    task = read_source(Protocol.USERS, *files(tmp_path, 9), None, None, 0.1, {}).task
    with threadpool_limits(2, "blas"):
        model = fit_for("counting", task, seed=1, models={"counting": Counting})
        answer("counting", model, task, k=2)
    assert set(Counting.threads) == {1}
