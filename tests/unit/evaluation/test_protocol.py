"""What each protocol asks, and whom it lets see what."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.protocol import Protocol, read_task, shuffled
from training.evaluation.task import UNKNOWN, Exclude, Question, Task
from training.interactions import from_frame


def write(folder: Path, name: str, **columns: object) -> Path:
    path = folder / f"{name}.parquet"
    pd.DataFrame(columns).to_parquet(path)
    return path


def ids(task: Task, items: np.ndarray) -> list[str]:
    return [str(task.train.item_ids[item]) if item != UNKNOWN else "?" for item in items]


def asked(task: Task) -> list[Question]:
    return [question for batch in task.batches(2) for question in batch]


class TestSessions:
    def test_every_prefix_asks_for_the_next_item(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", session=[1, 1, 1], item=["a", "b", "c"], time=[1, 2, 3])
        test = write(tmp_path, "test", session=[8, 9, 8, 8, 9], item=["b", "c", "a", "a", "b"], time=[30, 5, 10, 20, 6])
        task = read_task(Protocol.SESSIONS, train, test, {})
        found = {
            ("".join(ids(task, q.history.item)), "".join(ids(task, q.relevant)), q.history.now) for q in asked(task)
        }
        assert found == {("c", "b", 5), ("a", "a", 10), ("aa", "b", 20)}
        assert task.n_clusters == 2
        assert all(q.history.in_session.all() and not len(q.excluded) for q in asked(task))

    def test_an_item_that_training_lacks_is_still_asked_for_and_missed(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", session=[1, 1], item=["a", "b"])
        test = write(tmp_path, "test", session=[2, 2, 2], item=["a", "new", "b"])
        task = read_task(Protocol.SESSIONS, train, test, {})
        assert [(ids(task, q.history.item), ids(task, q.relevant)) for q in asked(task)] == [
            (["a"], ["?"]),
            (["a"], ["b"]),
        ]

    def test_a_file_of_prefixes_and_labels(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", session=[1, 1, 1], item=[1, 2, 3])
        test = write(tmp_path, "test", prefix=[[1], [2, 1]], label=[3, 4])
        task = read_task(Protocol.SESSIONS, train, test, {})
        assert [(ids(task, q.history.item), ids(task, q.relevant)) for q in asked(task)] == [
            (["1"], ["3"]),
            (["2", "1"], ["?"]),
        ]

    def test_sessions_of_one_click_ask_nothing(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", session=[1, 1], item=["a", "b"])
        test = write(tmp_path, "test", session=[2, 3], item=["a", "b"])
        with pytest.raises(BadInput, match="no test session has two events"):
            read_task(Protocol.SESSIONS, train, test, {})


class TestUsers:
    @pytest.fixture
    def train(self, tmp_path: Path) -> Path:
        return write(
            tmp_path,
            "train",
            user=["u", "v", "u", "w", "u"],
            item=["a", "b", "c", "d", "a"],
            event=["view", "view", "buy", "buy", "cart"],
            time=[1, 2, 3, 4, 5],
        )

    def test_one_question_a_user_without_what_they_have_seen(self, tmp_path: Path, train: Path) -> None:
        test = write(tmp_path, "test", user=["u", "v", "u", "u"], item=["b", "a", "d", "b"])
        task = read_task(Protocol.USERS, train, test, {})
        first, second = asked(task)
        assert ids(task, first.history.item) == ["a", "c", "a"]
        assert sorted(ids(task, first.relevant)) == ["b", "d"]
        assert sorted(ids(task, first.excluded)) == ["a", "c"]
        assert first.history.now == 6
        assert ids(task, second.history.item) == ["b"]

    def test_only_bought_items_are_removed_on_request(self, tmp_path: Path, train: Path) -> None:
        test = write(tmp_path, "test", user=["u"], item=["b"])
        task = read_task(Protocol.USERS, train, test, {}, exclude=Exclude.BOUGHT)
        assert ids(task, asked(task)[0].excluded) == ["c"]

    def test_a_target_kind_leaves_other_test_events_out(self, tmp_path: Path, train: Path) -> None:
        test = write(tmp_path, "test", user=["u", "u", "v"], item=["b", "d", "a"], event=["view", "buy", "view"])
        task = read_task(Protocol.USERS, train, test, {}, target=Kind.BUY)
        assert [ids(task, q.relevant) for q in asked(task)] == [["d"]]
        with pytest.raises(BadInput, match="no event of kind cart"):
            read_task(Protocol.USERS, train, test, {}, target=Kind.CART)

    def test_a_user_whom_training_never_saw_is_asked_for_all_the_same(self, tmp_path: Path, train: Path) -> None:
        test = write(tmp_path, "test", user=["u", "stranger"], item=["b", "a"])
        task = read_task(Protocol.USERS, train, test, {})
        assert [len(q.history.item) for q in asked(task)] == [3, 0]

    def test_unknown_items_count_each(self, tmp_path: Path, train: Path) -> None:
        test = write(tmp_path, "test", user=["u", "u", "u"], item=["x", "y", "b"])
        task = read_task(Protocol.USERS, train, test, {})
        assert ids(task, asked(task)[0].relevant) == ["?", "?", "b"]


class TestBaskets:
    def test_what_was_bought_stays_eligible_and_baskets_keep_their_order(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", user=[1, 1, 1, 2], basket=[10, 9, 9, 1], item=["b", "a", "c", "a"])
        test = write(tmp_path, "test", user=[1], item=["a"])
        task = read_task(Protocol.BASKETS, train, test, {})
        question = asked(task)[0]
        assert sorted(ids(task, question.history.item[:2])) == ["a", "c"]
        assert ids(task, question.history.item[2:]) == ["b"]
        assert question.history.time[0] == question.history.time[1] < question.history.time[2]
        assert (question.history.kind == Kind.BUY).all()
        assert not len(question.excluded)


def test_shuffling_renames_items_and_changes_nothing_else() -> None:
    board = from_frame(pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "c"]}))
    other = shuffled(board, seed=1)
    assert board.item_ids[board.item].tolist() == other.item_ids[other.item].tolist()
    assert {tuple(shuffled(board, seed).item_ids) for seed in range(20)} != {tuple(board.item_ids)}
