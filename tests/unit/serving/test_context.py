"""What is known of a customer when a question comes."""

import numpy as np

from feature_repo.activity import MAX_INTERACTIONS, Activity, Interaction, Kind
from feature_repo.customer import CustomerFeatures, UserProfile
from serving.context import history_of
from serving.placements import PLACEMENTS
from serving.question import Question
from training.interactions import History
from training.past import remembered

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


def test_serving_knows_of_a_long_past_what_the_hold_out_is_asked_with() -> None:
    rows = sorted(a_long_past())
    asked = history(features(rows))
    columns = [(INDEX[row.item_id], row.kind, row.time_us // SECOND) for row in rows]
    item, kind, time = (np.array(column) for column in zip(*columns, strict=True))
    known = remembered(item.astype(np.int32), kind.astype(np.int8), time.astype(np.int64))
    assert len(known.item) > MAX_INTERACTIONS
    assert asked.item.tolist() == known.item.tolist()
    assert asked.kind.tolist() == known.kind.tolist()
    assert asked.time.tolist() == known.time.tolist()
    assert not asked.in_session.any()


def test_older_purchases_do_not_belong_to_the_visit() -> None:
    profile = UserProfile(bought_items=("item-01",), bought_counts=(1,), bought_last_us=(50 * DAY * SECOND,))
    click = Interaction((NOW - 60) * SECOND, "e1", 0, "item-02", Kind.VIEW)
    known = history(CustomerFeatures(Activity((click,)), profile))
    assert known.item.tolist() == [1, 2]
    assert known.in_session.tolist() == [False, True]


def test_purchases_that_the_model_does_not_know_are_left_out() -> None:
    profile = UserProfile(bought_items=("gone",), bought_counts=(2,), bought_last_us=(SECOND,))
    assert len(history(CustomerFeatures(Activity(), profile)).item) == 0
