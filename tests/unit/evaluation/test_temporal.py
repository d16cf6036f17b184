"""One file cut in time: nothing that is asked about may have been learnt from."""

from pathlib import Path

import pandas as pd
import pytest

from feature_repo.errors import BadInput
from training.evaluation.protocol import Protocol
from training.evaluation.task import Exclude, Task
from training.evaluation.temporal import read_split

START = 1_600_000_000


def write(folder: Path, **columns: object) -> Path:
    path = folder / "data.parquet"
    frame = pd.DataFrame(columns)
    frame.assign(time=frame["time"] + START).to_parquet(path)
    return path


def right(task: Task) -> list[list[str]]:
    questions = [task.question(i) for i in range(len(task))]
    return [[str(task.train.item_ids[item]) if item >= 0 else "?" for item in q.relevant] for q in questions]


def test_a_session_across_the_cut_is_learnt_from_before_it_and_not_asked(tmp_path: Path) -> None:
    data = write(
        tmp_path,
        session=[1, 1, 2, 2, 2, 3, 3],
        item=["a", "b", "a", "b", "late", "b", "a"],
        time=[0, 10, 88, 89, 91, 95, 100],
    )
    split = read_split(Protocol.SESSIONS, data, {}, share=0.1)
    assert split.moment == START + 90
    assert split.left_out == 1
    assert split.task.train.time.max() < split.moment
    assert "late" not in split.task.train.item_ids
    assert right(split.task) == [["a"]]


def test_users_are_asked_for_all_that_came_after(tmp_path: Path) -> None:
    data = write(tmp_path, user=["u", "v", "u", "u", "n"], item=["a", "b", "b", "c", "a"], time=[0, 50, 91, 95, 100])
    task = read_split(Protocol.USERS, data, {}, share=0.1).task
    assert right(task) == [["b", "?"], ["a"]]
    assert task.question(0).history.now == START + 91
    assert task.new_customer is not None
    assert task.new_customer.tolist() == [False, True]
    assert task.exclude is Exclude.SEEN


def test_baskets_are_asked_for_the_first_one_after_the_cut(tmp_path: Path) -> None:
    data = write(
        tmp_path,
        user=["u", "u", "u", "u", "u"],
        basket=[1, 1, 2, 2, 3],
        item=["a", "b", "a", "c", "b"],
        time=[0, 1, 60, 60, 100],
    )
    assert right(read_split(Protocol.BASKETS, data, {}, share=0.5).task) == [["a", "?"]]


@pytest.mark.parametrize("time", [[5, 5, 5], None])
def test_a_file_without_times_cannot_be_cut(tmp_path: Path, time: list[int] | None) -> None:
    path = tmp_path / "data.parquet"
    times = {} if time is None else {"time": time}
    pd.DataFrame({"user": ["u", "v", "w"], "item": ["a", "b", "c"], **times}).to_parquet(path)
    with pytest.raises(BadInput, match="has no times to cut at"):
        read_split(Protocol.USERS, path, {}, share=0.1)


def test_a_cut_that_leaves_nothing_to_ask_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path, session=[1, 1, 1], item=["a", "b", "c"], time=[0, 50, 100])
    with pytest.raises(BadInput, match="nothing to use lies after the cut"):
        read_split(Protocol.SESSIONS, data, {}, share=0.1)
