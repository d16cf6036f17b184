import pytest

from training.search.stages import Limits


class TestTimeForTrials:
    def test_what_was_spent_and_what_the_comparison_takes_is_counted_in(self) -> None:
        assert Limits(minutes=10).seconds_to_try(spent=100, to_compare=80) == pytest.approx(600 - 180)

    def test_a_comparison_that_takes_long_leaves_half_of_the_time(self) -> None:
        assert Limits(minutes=2).seconds_to_try(spent=100, to_compare=80) == pytest.approx(60)
