"""What is known of a customer when a question comes."""

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import MAX_INTERACTIONS, Activity, Interaction, Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from serving.context import history_of
from serving.placements import PLACEMENTS
from serving.question import Question
from training.holdout import split
from training.interactions import History, Interactions, from_frame
from training.next_order import next_orders
from training.next_step import next_steps

ITEMS = [f"item-{number:02}" for number in range(40)]
INDEX = {item: number for number, item in enumerate(ITEMS)}
DAY = 86_400
NOW = 400 * DAY
SECOND = 1_000_000


def history(customer: CustomerFeatures) -> History:
    return history_of(Question(placement="home"), PLACEMENTS["home"], customer, INDEX, market=-1, now=NOW)


def features(interactions: list[Interaction]) -> CustomerFeatures:
    """As the online views would hold them after a materialisation just now."""
    times: dict[str, set[int]] = {}
    for each in interactions:
        if each.kind == Kind.BUY:
            times.setdefault(each.item_id, set()).add(each.time_us)
    latest = sorted(times, key=lambda item: (-max(times[item]), item))[:100]
    profile = UserProfile(
        bought_items=tuple(latest),
        bought_counts=tuple(len(times[item]) for item in latest),
        bought_last_us=tuple(max(times[item]) for item in latest),
    )
    return CustomerFeatures(Activity(tuple(sorted(interactions)[-MAX_INTERACTIONS:])), profile)


def a_long_past() -> list[Interaction]:
    """Thirty orders of four items, with views between them, days apart."""
    rng = np.random.default_rng(3)
    rows = []
    for order in range(30):
        items = rng.permutation(len(ITEMS))[:4].tolist()
        at = (10 * order + 50) * DAY * SECOND
        rows += [Interaction(at, f"o{order}", place, ITEMS[item], Kind.BUY) for place, item in enumerate(items)]
        rows.append(Interaction(at + DAY * SECOND, f"v{order}", 0, ITEMS[items[0]], Kind.VIEW))
    return rows


def in_training(rows: list[Interaction]) -> Interactions:
    """The same customer as a training sees them, after one who touched everything; the visit is the first letter of an
    event's id, and its week."""
    columns = [("ben", "first", item, Kind.VIEW, 0) for item in ITEMS]
    columns += [
        ("anna", f"{row.event_id[0]} {row.time_us // (7 * DAY * SECOND)}", row.item_id, row.kind, row.time_us // SECOND)
        for row in rows
    ]
    found = from_frame(pd.DataFrame(columns, columns=["user", "session", "item", "event", "time"]))
    assert found.item_ids.tolist() == ITEMS
    return found


def assert_same(one: History, other: History) -> None:
    assert (one.now, one.market) == (other.now, other.market)
    for name in ("item", "kind", "time", "in_session"):
        assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


PHONE_AND_LAPTOP = [
    Interaction((NOW - minutes * 60) * SECOND, f"{device}{minutes}", 0, ITEMS[minutes % len(ITEMS)], kind)
    for minutes, device, kind in (
        (90, "p", Kind.VIEW),
        (50, "p", Kind.BUY),
        (29, "p", Kind.VIEW),
        (20, "l", Kind.VIEW),
        (11, "p", Kind.CART),
        (10, "l", Kind.VIEW),
    )
]
"""Two visits at once, with a pause of more than half an hour in one and many a step back and forth."""


class TestTrainingKnowsWhatServingKnows:
    @pytest.mark.parametrize("visit", [PHONE_AND_LAPTOP, PHONE_AND_LAPTOP * 9, PHONE_AND_LAPTOP[-1:]])
    def test_within_a_visit(self, visit: list[Interaction]) -> None:
        known = a_long_past() + [row._replace(position=number) for number, row in enumerate(visit)]
        served = history(features(known))
        assert len(served.item) > MAX_INTERACTIONS
        assert served.in_session.any()
        happened = [
            *known,
            Interaction(NOW * SECOND, "l", 0, ITEMS[0], Kind.BUY),
            *(Interaction((NOW + 60 * later) * SECOND, "p", 0, ITEMS[later], Kind.VIEW) for later in range(5)),
        ]
        shop = in_training(happened)
        lessons = [each.history for each in next_steps(shop, NOW - DAY, NOW + DAY, 99, 0) if each.history.now == NOW]
        _, questions = split(shop, share=0.05, most=999, seed=0)
        asked = [each.history for each in questions if each.history.now == NOW]
        assert lessons
        assert asked
        for training in lessons + asked:
            assert_same(training, served)

    def test_before_the_first_click_of_who_comes_back(self) -> None:
        served = history(features(a_long_past()))
        assert len(served.item) > MAX_INTERACTIONS
        assert not served.in_session.any()
        shop = in_training([*a_long_past(), Interaction(NOW * SECOND, "l", 0, ITEMS[0], Kind.BUY)])
        (lesson,) = next_orders(shop, NOW - 9 * DAY, NOW + DAY, 99, 0)
        assert_same(lesson.history, served)
        _, (question,) = split(shop, share=0.01, most=999, seed=0)
        assert_same(question.history, served)


def test_older_purchases_do_not_belong_to_the_visit() -> None:
    profile = UserProfile(bought_items=("item-01",), bought_counts=(1,), bought_last_us=(50 * DAY * SECOND,))
    click = Interaction((NOW - 60) * SECOND, "e1", 0, "item-02", Kind.VIEW)
    known = history(CustomerFeatures(Activity((click,)), profile))
    assert known.item.tolist() == [1, 2]
    assert known.in_session.tolist() == [False, True]


def test_purchases_that_the_model_does_not_know_are_left_out() -> None:
    profile = UserProfile(bought_items=("gone",), bought_counts=(2,), bought_last_us=(SECOND,))
    assert len(history(CustomerFeatures(Activity(), profile)).item) == 0
