"""What answers would have been made from, replayed from a training's interactions."""

import numpy as np
import pandas as pd

from feature_repo.activity import Kind
from training.interactions import Interactions, from_frame
from training.traffic import DAY_SECONDS, popularity_tenths, replayed_traffic

HOUR = 3_600


def a_shop(*rows: tuple[str, str, int, Kind]) -> Interactions:
    """Customer, item, seconds, kind; each visit of one customer."""
    frame = pd.DataFrame(rows, columns=["user", "item", "time", "event"])
    return from_frame(frame.assign(session=np.arange(len(frame)), market="DE"))


class TestCustomers:
    def test_only_their_arrivals_are_told_whatever_they_do_within_the_visit(self) -> None:
        anna = [("anna", "tea", 60 * minute, Kind.VIEW) for minute in range(10)]
        back = [("anna", "tea", 5 * DAY_SECONDS, Kind.BUY)]
        ben = [("ben", "tea", DAY_SECONDS, Kind.CART), ("ben", "tea", 2 * DAY_SECONDS, Kind.VIEW)]
        traffic = replayed_traffic(a_shop(*anna, *back, *ben))
        assert traffic["customers"] == {"new": 2, "known": 2}
        assert traffic["history_length"] == {"1": 1, "10-19": 1}
        assert traffic["days_away"] == {"1-2": 1, "3-6": 1}
        assert traffic["last_kind"] == {"view": 1, "cart": 1}
        assert traffic["markets"] == {"DE": 4}

    def test_a_long_history_counts_as_the_fifty_that_features_keep(self) -> None:
        visits = [("anna", "tea", hour * HOUR, Kind.VIEW) for hour in range(80)]
        lengths = replayed_traffic(a_shop(*visits))["history_length"]
        assert lengths["50"] == 30
        assert sum(lengths.values()) == 79


class TestItems:
    def test_what_came_first_on_the_last_day_is_unknown_and_the_rest_stands_in_tenths(self) -> None:
        # Item n of ten is touched 10 - n times as often as the last one, long before the end.
        past = [(f"u{n}", f"item {n}", n * 60, Kind.VIEW) for n in range(10) for _ in range(300 - 20 * n)]
        today = [("late", item, 9 * DAY_SECONDS, Kind.VIEW) for item in ("item 0", "item 9", "new") * 700]
        traffic = replayed_traffic(a_shop(*past, *today))
        assert traffic["unknown_items"] == {"known": 1_400, "unknown": 700}
        assert traffic["item_popularity"] == {"1. tenth": 700, "10. tenth": 700}

    def test_a_single_moment_has_no_past_to_learn_from(self) -> None:
        traffic = replayed_traffic(a_shop(*[(f"u{n}", "tea", 7, Kind.VIEW) for n in range(5)]))
        assert "unknown_items" not in traffic
        assert traffic["customers"] == {"new": 5}

    def test_items_without_interactions_are_in_no_tenth(self) -> None:
        assert popularity_tenths(np.array([0, 5, 9])).tolist() == [10, 5, 0]
