import itertools
import random
from collections import Counter

import pytest

from serving.exploration import explored

CHOSEN, RESERVE = list("abcd"), list("xyz")


@pytest.mark.parametrize(
    ("chosen", "reserve", "fixed", "share"),
    [
        (CHOSEN, RESERVE, 0, 0.2),
        (CHOSEN, RESERVE, 1, 0.1),
        (CHOSEN, [], 0, 0.3),
        (["a"], RESERVE, 0, 0.4),
        (CHOSEN, RESERVE, 0, 1.0),
    ],
)
def test_items_stand_where_they_do_as_often_as_is_logged(
    chosen: list[str], reserve: list[str], fixed: int, share: float
) -> None:
    rng, answers = random.Random(3), 60_000
    seen: Counter[tuple[int, str]] = Counter()
    logged: dict[tuple[int, str], float] = {}
    for _ in range(answers):
        shown, propensities = explored(chosen, reserve, fixed, share, rng)
        assert len(set(shown)) == len(chosen)
        for position, (item, propensity) in enumerate(zip(shown, propensities, strict=True)):
            seen[position, item] += 1
            assert logged.setdefault((position, item), propensity) == propensity
    for place, propensity in logged.items():
        noise = 4.5 * (propensity * (1 - propensity) / answers) ** 0.5
        assert seen[place] / answers == pytest.approx(propensity, abs=noise + 1e-12), place
    for position in range(len(chosen)):
        assert sum(p for (at, _), p in logged.items() if at == position) == pytest.approx(1.0)


def test_every_candidate_can_stand_everywhere_and_pinned_ones_stay() -> None:
    rng = random.Random(1)
    answers = [explored(CHOSEN, RESERVE, 1, 0.3, rng)[0] for _ in range(2_000)]
    assert {answer[0] for answer in answers} == {"a"}
    for position in range(1, 4):
        assert {answer[position] for answer in answers} == {"b", "c", "d", "x", "y", "z"}


def test_the_share_of_explored_places_is_what_was_set() -> None:
    _, propensities = explored(CHOSEN, RESERVE, 0, 0.05, random.Random(0))
    assert propensities[0] == pytest.approx(0.95)


@pytest.mark.parametrize(("chosen", "reserve", "fixed"), [([], [], 0), (["a"], [], 0), (["a", "b"], ["x"], 2)])
def test_nothing_to_swap(chosen: list[str], reserve: list[str], fixed: int) -> None:
    assert explored(chosen, reserve, fixed, 0.5, random.Random(0)) == (chosen, [1.0] * len(chosen))


def test_without_a_share_nothing_is_left_to_chance() -> None:
    rng = random.Random(0)
    for chosen, reserve in itertools.product([CHOSEN], [RESERVE, []]):
        assert explored(chosen, reserve, 0, 0.0, rng) == (chosen, [1.0] * 4)
    assert rng.getstate() == random.Random(0).getstate()
