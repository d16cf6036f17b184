"""Files and options that would make an evaluation say something that it did not measure."""

from pathlib import Path

import pandas as pd
import pytest

from feature_repo.activity import Kind
from feature_repo.errors import BadInput
from training.evaluation.protocol import Protocol
from training.evaluation.source import Source, read_source
from training.evaluation.task import Exclude

NOON = 1_700_000_000
SESSION, USER = ["session", "item", "time"], ["user", "item", "time"]
LEARNT = [(1, "a", NOON), (1, "b", NOON + 1), (2, "b", NOON + 60), (2, "c", NOON + 61)]
LATER = [(3, "a", NOON + 90), (3, "b", NOON + 91), (4, "b", NOON + 95), (4, "c", NOON + 96)]


def write(folder: Path, name: str, rows: list[tuple[object, ...]], names: list[str]) -> Path:
    path = folder / f"{name}.parquet"
    pd.DataFrame(rows, columns=names).to_parquet(path)
    return path


def source(protocol: Protocol, train: Path, test: Path, split: str | None = None, **options: object) -> Source:
    target, exclude = options.get("target"), options.get("exclude")
    assert target is None or isinstance(target, Kind)
    assert exclude is None or isinstance(exclude, Exclude)
    return read_source(protocol, train, test, split, None, 0.1, {}, 0, target, exclude)


class TestSessionsInBothFiles:
    def read(self, folder: Path, asked: list[tuple[object, ...]], names: list[str] = SESSION) -> Source:
        learnt = [row[: len(names)] for row in LEARNT]
        train, test = write(folder, "train", learnt, names), write(folder, "test", asked, names)
        return source(Protocol.SESSIONS, train, test)

    def test_none(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, LATER).cautions == ()

    def test_some_with_the_same_clicks(self, tmp_path: Path) -> None:
        told, older = self.read(tmp_path, LEARNT[:2] + LATER).cautions
        assert told.startswith("1 of the 3 test sessions have an id that the training file has too, 1 of them with the")
        assert older.startswith("2 of the 6 test rows (33.33 %) are older than the end of the training file")

    def test_an_id_given_twice(self, tmp_path: Path) -> None:
        (told,) = self.read(tmp_path, [(1, "c", NOON + 99), (1, "b", NOON + 100), *LATER]).cautions
        assert told.startswith("1 of the 3 test sessions have an id that the training file has too, 0 of them")

    def test_all_of_them(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="all 1 test sessions stand in the training file, click by click"):
            self.read(tmp_path, LEARNT[:2])

    def test_all_of_them_without_times(self, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match="click by click"):
            self.read(tmp_path, [(1, "a"), (1, "b")], SESSION[:2])


class TestRowsThatAreTooOld:
    def test_a_test_file_before_the_training_file(self, tmp_path: Path) -> None:
        train, test = write(tmp_path, "train", LATER, SESSION), write(tmp_path, "test", LEARNT, SESSION)
        with pytest.raises(BadInput, match=r"before the training file begins, .* the wrong way round"):
            source(Protocol.SESSIONS, train, test)

    def test_customers_of_both_files_are_no_leak_where_their_items_were_held_out(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", LEARNT, USER)
        test = write(tmp_path, "test", [(1, "c", NOON + 30), (2, "a", NOON + 70)], USER)
        assert source(Protocol.USERS, train, test).cautions == ()
        assert source(Protocol.USERS, train, test, "held-out").cautions == ()
        (told,) = source(Protocol.USERS, train, test, "temporal").cautions
        assert told.startswith(
            "1 of the 2 test rows (50.00 %) are older than the end of the training file (2023-11-14 22:14"
        )

    def test_baskets_without_times_to_learn_from(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", [(1, 1, "a"), (1, 2, "b")], ["user", "basket", "item"])
        test = write(tmp_path, "test", [(1, "a", 5)], USER)
        assert source(Protocol.BASKETS, train, test).cautions == ()


class TestRowsInBothFiles:
    def test_some(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", LEARNT, USER)
        test = write(tmp_path, "test", [LEARNT[1], (2, "a", NOON + 70)], USER)
        (told,) = source(Protocol.USERS, train, test).cautions
        assert told.startswith("1 of the 2 test rows stand in the training file too, with the same customer, item")

    def test_all(self, tmp_path: Path) -> None:
        train, test = write(tmp_path, "train", LEARNT, USER), write(tmp_path, "test", LEARNT[:2], USER)
        with pytest.raises(BadInput, match="all 2 test rows stand in the training file"):
            source(Protocol.USERS, train, test)

    def test_the_same_item_again_later_is_none(self, tmp_path: Path) -> None:
        train, test = write(tmp_path, "train", LEARNT, USER), write(tmp_path, "test", [(1, "a", NOON + 70)], USER)
        assert source(Protocol.USERS, train, test).cautions == ()


EVENTS = ["event"]
KINDS = ("view", "buy", "view", "buy")


class TestOptionsWithoutEvents:
    """``columns``: whether training and test file have events."""

    def read(self, folder: Path, protocol: Protocol, columns: tuple[bool, bool], **options: object) -> Source:
        names = SESSION if protocol is Protocol.SESSIONS else USER
        train, test = (
            write(folder, name, [(*row, kind) for row, kind in zip(rows, KINDS, strict=True)], [*names, "event"])
            if has
            else write(folder, name, rows, names)
            for name, rows, has in zip(("train", "test"), (LEARNT, LATER), columns, strict=True)
        )
        return source(protocol, train, test, **options)

    @pytest.mark.parametrize("protocol", [Protocol.SESSIONS, Protocol.USERS])
    def test_neither_file_has_any(self, protocol: Protocol, tmp_path: Path) -> None:
        with pytest.raises(BadInput, match=r"--target buy needs to know .* --columns event=COLUMN, or leave --target"):
            self.read(tmp_path, protocol, (False, False), target=Kind.BUY)
        with pytest.raises(BadInput, match=r"--exclude bought needs to know .* or leave --exclude out"):
            self.read(tmp_path, protocol, (False, False), exclude=Exclude.BOUGHT)

    @pytest.mark.parametrize("protocol", [Protocol.SESSIONS, Protocol.USERS])
    def test_the_test_file_has_none(self, protocol: Protocol, tmp_path: Path) -> None:
        (told,) = self.read(tmp_path, protocol, (True, False), target=Kind.BUY).cautions
        assert told.startswith("--target buy could not narrow the questions: the test file has no events")

    def test_the_file_of_histories_has_none(self, tmp_path: Path) -> None:
        (told,) = self.read(tmp_path, Protocol.USERS, (False, True), exclude=Exclude.BOUGHT).cautions
        assert told.startswith("--exclude bought removed nothing: the training file")
        (told,) = self.read(tmp_path, Protocol.SESSIONS, (True, False), exclude=Exclude.BOUGHT).cautions
        assert told.startswith("--exclude bought removed nothing: the test file")

    @pytest.mark.parametrize("protocol", [Protocol.SESSIONS, Protocol.USERS])
    def test_both_have_them(self, protocol: Protocol, tmp_path: Path) -> None:
        found = self.read(tmp_path, protocol, (True, True), target=Kind.BUY, exclude=Exclude.BOUGHT)
        assert found.cautions == ()
        assert len(found.task) == 2

    def test_one_file_that_is_cut(self, tmp_path: Path) -> None:
        data = write(tmp_path, "data", LEARNT + LATER, USER)
        with pytest.raises(BadInput, match="--target buy needs to know"):
            read_source(Protocol.USERS, None, None, None, data, 0.3, {}, target=Kind.BUY)

    def test_baskets_are_purchases(self, tmp_path: Path) -> None:
        train = write(tmp_path, "train", [(1, 1, "a"), (1, 2, "b")], ["user", "basket", "item"])
        test = write(tmp_path, "test", [(1, "a")], USER[:2])
        assert source(Protocol.BASKETS, train, test, target=Kind.BUY, exclude=Exclude.BOUGHT).cautions == ()
        with pytest.raises(BadInput, match="--target cart: baskets are purchases"):
            source(Protocol.BASKETS, train, test, target=Kind.CART)
