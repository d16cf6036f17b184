from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from training.holdout import Answers, Question
from training.holdout_evidence import LEAST_SESSIONS, part_figures, slice_figures
from training.interactions import History, Interactions, Taxonomy, from_frame

ITEMS = 40


@pytest.fixture(scope="module")
def earlier() -> Interactions:
    """Item n of 40 was viewed 1 + 10 // (n + 1) times in two markets; nobody has seen the last one."""
    items = [n for n in range(ITEMS - 1) for _ in range(1 + 10 // (n + 1))] + [ITEMS - 1]
    rows = pd.DataFrame({"session": range(len(items)), "item": [f"{n:02}" for n in items]})
    visits = from_frame(rows.assign(market=["DE", "FR"] * (len(items) // 2) + ["DE"] * (len(items) % 2)))
    seen = visits.item != ITEMS - 1
    columns = {name: getattr(visits, name)[seen] for name in ("user", "session", "item", "kind", "time", "market")}
    return Interactions(
        **columns,
        item_ids=visits.item_ids,
        markets=visits.markets,
        n_users=visits.n_users,
        n_sessions=visits.n_sessions,
    )


def asked(rng: np.random.Generator, sessions: int, questions: int = 4) -> list[Question]:
    found = []
    for session in range(sessions):
        market = int(rng.integers(2))
        known = bool(rng.integers(2))
        for click in range(questions):
            history = History.of([0] * (click + 1 + known), market=market)
            history.in_session[:known] = False
            found.append(Question(history, int(rng.integers(ITEMS)), session))
    return found


def answers(found: np.ndarray) -> Answers:
    return Answers(np.zeros((len(found), 20), np.int32), found.astype(np.int32), 1.0)


def test_every_kind_of_slice_is_looked_at(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=400)
    everything = answers(np.ones(len(questions)))
    figures = slice_figures(questions, earlier, everything, everything)
    kinds = {figure.slice.split("=")[0] for figure in figures}
    assert kinds == {"customer", "item", "market", "session"}
    named = {figure.slice for figure in figures}
    assert {"customer=new", "customer=known", "item=new", "item=head", "item=torso", "item=tail"} <= named
    assert {"market=DE", "market=FR"} <= named
    assert {(figure.difference, figure.low, figure.high) for figure in figures} == {(0.0, 0.0, 0.0)}


def test_product_lines_are_slices_where_a_taxonomy_is_known(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=400)
    everything = answers(np.ones(len(questions)))
    line = np.arange(ITEMS, dtype=np.int32) % 2
    known = replace(earlier, taxonomy=Taxonomy(category=line, parent=line, parents=("Garden", "Kitchen")))
    parts = {part.slice: part.questions for part in part_figures(questions, known, everything)}
    even = sum(question.item % 2 == 0 for question in questions)
    assert (parts["line=Garden"], parts["line=Kitchen"]) == (even, len(questions) - even)


def test_a_slice_with_few_sessions_says_nothing(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=LEAST_SESSIONS - 1)
    everything = answers(np.ones(len(questions)))
    assert slice_figures(questions, earlier, everything, everything) == ()


def test_a_slice_in_which_the_champion_finds_nothing_cannot_be_lost(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=100)
    nothing = answers(np.zeros(len(questions)))
    assert slice_figures(questions, earlier, nothing, nothing) == ()


def test_the_loss_of_one_slice_is_seen_there(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=400)
    german = np.array([question.history.market == 0 for question in questions])
    champion = answers(np.ones(len(questions)))
    lost = (np.random.default_rng(1).random(len(questions)) < 0.2) & german
    figures = {(f.slice, f.metric): f for f in slice_figures(questions, earlier, champion, answers(~lost))}
    assert figures["market=DE", "hr_20"].difference == pytest.approx(-0.2, abs=0.03)
    assert figures["market=DE", "hr_20"].high < -0.1
    assert figures["market=FR", "hr_20"].low == figures["market=FR", "hr_20"].high == 0.0


def test_a_version_alone_is_told_in_every_slice_that_was_asked_about(earlier: Interactions) -> None:
    questions = asked(np.random.default_rng(0), sessions=10)
    german = np.array([question.history.market == 0 for question in questions])
    figures = {figure.slice: figure for figure in part_figures(questions, earlier, answers(german))}
    assert (figures["market=DE"].hr, figures["market=FR"].hr) == (1.0, 0.0)
    assert figures["market=DE"].questions == german.sum()
    assert all(figure.questions for figure in figures.values())


def test_equal_models_seldom_seem_to_lose_anywhere(earlier: Interactions) -> None:
    """Two models with the same chance in every slice: at most a fortieth of the gates may see a loss by accident."""
    rng, trials = np.random.default_rng(5), 200
    questions = asked(rng, sessions=300)
    visit = np.array([question.session for question in questions])
    alarms = 0
    for _ in range(trials):
        chance = rng.beta(2, 3, size=300)[visit]  # visits differ, so questions of one visit are alike
        champion, challenger = (answers(rng.random(len(questions)) < chance) for _ in range(2))
        figures = slice_figures(questions, earlier, champion, challenger)
        alarms += any(figure.high < 0 for figure in figures)
    assert alarms <= 12  # 5 expected
