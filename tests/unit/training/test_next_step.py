"""What customers went to within a visit, asked with what was known just before."""

from dataclasses import replace

import numpy as np
import pandas as pd

from feature_repo.activity import MAX_INTERACTIONS, Kind
from training.holdout import Question, split
from training.interactions import History, Interactions, from_frame
from training.next_order import next_orders
from training.next_step import next_steps, steps_of

START = 1_700_000_000
DAY = 86_400
LATER = START + DAY


def shop(*rows: tuple[str, str, str, int]) -> Interactions:
    """Customer, visit, item and seconds after START of each view."""
    frame = pd.DataFrame(rows, columns=["user", "session", "item", "time"])
    return from_frame(frame.assign(time=frame["time"] + START))


def told(interactions: Interactions, history: History) -> list[tuple[str, int]]:
    """The items of a history with the seconds after START."""
    return [
        (str(interactions.item_ids[item]), time - START)
        for item, time in zip(history.item.tolist(), history.time.tolist(), strict=True)
    ]


PHONE = [("anna", "phone", f"phone {number}", 600 * number) for number in range(4)]
LAPTOP = [("anna", "laptop", "tent", 660), ("anna", "laptop", "stove", 700)]


def test_what_was_gone_to_in_one_second_is_right_together() -> None:
    at = np.array([0], np.int32)
    before = [History(at, at.astype(np.int8), at.astype(np.int64), np.array([True]), now=now) for now in (5, 5, 9)]
    stranger = replace(before[0], in_session=np.array([False]))
    questions = [
        Question(history, item, session)
        for history, item, session in ((before[0], 3, 0), (before[1], 2, 0), (before[2], 4, 0), (stranger, 5, 1))
    ]
    assert [each.relevant.tolist() for each in steps_of(questions)] == [[2, 3], [4]]


class TestTwoVisitsAtOnce:
    def test_only_what_came_before_is_known_in_order_of_time(self) -> None:
        both = shop(*PHONE, *LAPTOP)
        (question,) = next_steps(both, START + 650, LATER, most=10, seed=0)
        assert both.item_ids[question.relevant].tolist() == ["stove"]
        assert told(both, question.history) == [("phone 0", 0), ("phone 1", 600), ("tent", 660)]
        assert question.history.now == START + 700
        assert question.history.in_session.all()

    def test_the_hold_out_knows_the_same(self) -> None:
        both = shop(("bert", "before", "tent", 0), *PHONE, *LAPTOP)
        (step,) = next_steps(both, START + 650, LATER, most=10, seed=0)
        _, questions = split(both, share=0.7, most=100, seed=0)
        (asked,) = (question for question in questions if question.history.now == step.history.now)
        assert told(both, asked.history) == told(both, step.history)
        for question in questions:
            assert np.all(np.diff(question.history.time, append=question.history.now) > 0)

    def test_who_is_there_already_does_not_come_back(self) -> None:
        bought = replace(shop(*PHONE, *LAPTOP), kind=np.full(6, Kind.BUY, np.int8))
        assert next_orders(bought, START + 650, LATER, most=10, seed=0) == []
        apart = replace(bought, time=np.where(bought.time >= START + 660, bought.time + 1_800, bought.time))
        assert len(next_orders(apart, START + 2_000, LATER, most=10, seed=0)) == 1


class TestVisits:
    def test_the_lines_of_an_order_are_one_step(self) -> None:
        order = shop(("anna", "1", "tent", 0), *(("anna", "1", item, 60) for item in ("stove", "mug", "stove")))
        (question,) = next_steps(order, START, LATER, most=10, seed=0)
        assert sorted(order.item_ids[question.relevant]) == ["mug", "stove"]
        assert told(order, question.history) == [("tent", 0)]

    def test_after_a_long_pause_nobody_is_a_visitor_any_more(self) -> None:
        assert next_steps(shop(("anna", "1", "tent", 0), ("anna", "1", "mug", 1_801)), START, LATER, 10, 0) == []
        assert len(next_steps(shop(("anna", "1", "tent", 0), ("anna", "1", "mug", 1_800)), START, LATER, 10, 0)) == 1

    def test_a_visit_that_began_before_the_fold_or_after_it_is_not_asked_about(self) -> None:
        visits = shop(*((f"u{at}", f"{at}", item, at + step) for at in (0, 100, 200) for step, item in enumerate("ab")))
        assert [q.history.now - START for q in next_steps(visits, START + 50, START + 200, 10, 0)] == [101]

    def test_no_more_than_asked_for_the_same_with_the_same_seed(self) -> None:
        visits = shop(
            *((f"u{at}", f"{at}", item, at * 60 + step) for at in range(40) for step, item in enumerate("abc"))
        )
        chosen = [q.history.now for q in next_steps(visits, START, LATER, most=30, seed=4)]
        assert len(chosen) == 30
        assert chosen == [q.history.now for q in next_steps(visits, START, LATER, most=30, seed=4)]
        assert chosen != [q.history.now for q in next_steps(visits, START, LATER, most=30, seed=5)]

    def test_old_purchases_are_known_and_views_as_old_are_not(self) -> None:
        old = [("anna", "old", "tent", 0), ("anna", "old", "mug", 1)]
        recent = [("anna", "new", f"item {number}", DAY + 60 * number) for number in range(MAX_INTERACTIONS + 2)]
        visits = shop(*old, *recent)
        visits = replace(visits, kind=np.where(visits.time == START, Kind.BUY, Kind.VIEW).astype(np.int8))
        last = max(next_steps(visits, START + DAY, START + 2 * DAY, 100, 0), key=lambda question: question.history.now)
        assert len(last.history.item) == MAX_INTERACTIONS + 1
        assert told(visits, last.history)[:2] == [("tent", 0), ("item 1", DAY + 60)]
        assert last.history.in_session.tolist() == [False, *[True] * MAX_INTERACTIONS]

    def test_a_shop_of_one_click_asks_nothing(self) -> None:
        assert next_steps(shop(("anna", "1", "tent", 0)), START, LATER, 10, 0) == []
