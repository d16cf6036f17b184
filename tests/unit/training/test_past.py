"""What serving and the hold-outs know of a customer whose past is longer than online features keep."""

import numpy as np

from feature_repo.activity import MAX_INTERACTIONS, Kind
from training.past import older_purchases, remembered


def bought(item: str, time: int) -> tuple[str, int, int]:
    return item, Kind.BUY, time


class TestOlderPurchases:
    def test_what_the_newest_interactions_hold_is_not_told_again(self) -> None:
        assert older_purchases([("milk", 1, 90), ("tea", 1, 20)], [bought("milk", 90)]) == [("tea", 20)]

    def test_an_order_that_is_only_counted_is_put_at_an_earlier_known_order(self) -> None:
        sums = [("milk", 3, 90), ("tea", 1, 20), ("bread", 1, 50)]
        assert older_purchases(sums, [bought("milk", 90)]) == [("milk", 20), ("tea", 20), ("milk", 50), ("bread", 50)]

    def test_nobody_is_given_more_orders_than_are_known(self) -> None:
        assert older_purchases([("milk", 9, 90)], [bought("milk", 90)]) == []

    def test_a_purchase_since_the_profile_was_made_takes_no_older_one_away(self) -> None:
        assert older_purchases([("milk", 1, 20)], [bought("milk", 90)]) == [("milk", 20)]

    def test_between_the_newest_interactions_nothing_is_made_up(self) -> None:
        recent = [bought("tea", 50), bought("bread", 70), bought("milk", 90)]
        assert older_purchases([("milk", 2, 90), ("tea", 1, 50), ("bread", 1, 70)], recent) == [("milk", 50)]


class TestRemembered:
    def test_a_short_past_is_known_as_it_was(self) -> None:
        item, kind, time = np.array([3, 1], np.int32), np.array([1, 4], np.int8), np.array([5, 6], np.int64)
        known = remembered(item, kind, time)
        assert known.item is item

    def test_old_purchases_outlive_the_views_that_pushed_them_out(self) -> None:
        item = np.array([7, 8, *[1] * MAX_INTERACTIONS], np.int32)
        kind = np.array([Kind.BUY, Kind.VIEW, *[Kind.VIEW] * MAX_INTERACTIONS], np.int8)
        known = remembered(item, kind, np.arange(len(item), dtype=np.int64))
        assert known.item.tolist() == [7, *[1] * MAX_INTERACTIONS]
        assert known.kind[0] == Kind.BUY
        assert np.all(np.diff(known.time) > 0)
