import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingestion.stream.recent_ids import RecentIds

HOUR = 3_600_000_000


class TestRecentIds:
    def test_an_id_added_before_is_a_repeat(self) -> None:
        recent = RecentIds()
        recent.add(["a", "b"], 0)
        assert recent.repeats(["b", "c"]).tolist() == [True, False]

    def test_within_one_batch_the_first_counts(self) -> None:
        assert RecentIds().repeats(["a", "b", "a", "a"]).tolist() == [False, False, True, True]

    def test_asking_adds_nothing(self) -> None:
        recent = RecentIds()
        recent.repeats(["a"])
        assert not recent.repeats(["a"])[0]

    def test_what_came_before_a_moment_is_forgotten(self) -> None:
        recent = RecentIds()
        recent.add(["old"], 0)
        recent.add(["new"], 24 * HOUR)
        recent.forget(0)
        assert recent.repeats(["old", "new"]).all()
        recent.forget(1)
        assert recent.repeats(["old", "new"]).tolist() == [False, True]

    def test_many_batches_stay_few_runs(self) -> None:
        recent = RecentIds()
        for batch in range(500):
            recent.add([f"{batch}-{i}" for i in range(20)], batch)
        assert len(recent) == 10_000
        assert len(recent._runs) < 20
        assert recent.repeats([f"{batch}-7" for batch in range(500)]).all()

    @given(st.lists(st.lists(st.text(max_size=4), max_size=8), max_size=12))
    def test_it_answers_as_a_plain_set_would(self, batches: list[list[str]]) -> None:
        recent, plain = RecentIds(), set[str]()
        for batch in batches:
            expected = [one in plain or one in batch[:i] for i, one in enumerate(batch)]
            repeats = recent.repeats(batch)
            assert repeats.tolist() == expected
            recent.add([one for one, repeat in zip(batch, np.asarray(repeats), strict=True) if not repeat], 0)
            plain.update(batch)
