"""BSPM."""

import numpy as np
import pandas as pd
from scipy.integrate import solve_ivp

from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.als import preferences
from training.candidates.bspm import Bspm, BspmSettings
from training.interactions import Interactions, from_frame


class TestBspm(CandidateSuite):
    model = Bspm


def shop() -> Interactions:
    random = np.random.default_rng(3)
    rows = [(f"c{user}", f"i{item}", user) for user in range(60) for item in random.choice(9, 4, replace=False)]
    return from_frame(pd.DataFrame(rows, columns=["user", "item", "time"]))


def gram(interactions: Interactions) -> np.ndarray:
    seen = preferences(interactions).toarray().astype(np.float64)
    normal = seen / np.sqrt(seen.sum(axis=1, keepdims=True)) / np.sqrt(seen.sum(axis=0))
    return np.asarray(normal.T @ normal)


def weights(model: Bspm, n: int) -> np.ndarray:
    table = np.zeros((n, n))
    for item in range(n):
        row = slice(model.table.start[item], model.table.start[item + 1])
        table[item, model.table.item[row]] = model.table.weight[row]
    return table


def test_sharpening_is_the_heat_equation_backwards() -> None:
    interactions = shop()
    blurred = gram(interactions)
    n = interactions.n_items
    settings = BspmSettings(low_pass=0.0, sharpening=1.0)
    solved = solve_ivp(lambda _, x: -(x.reshape(n, n) @ blurred).ravel(), (0, 1), blurred.ravel(), rtol=1e-8)
    # One step of fourth order errs by the fifth power of the time.
    found = weights(Bspm.fit(interactions, settings=settings), n)
    np.testing.assert_allclose(found, solved.y[:, -1].reshape(n, n), atol=2e-3)


def test_the_low_pass_filter_keeps_all_where_all_directions_lead() -> None:
    interactions = shop()
    n = interactions.n_items
    settings = BspmSettings(factors=n, low_pass=0.5, sharpening=0.0)
    found = weights(Bspm.fit(interactions, settings=settings), n)
    degree = np.asarray(preferences(interactions).sum(axis=0)).ravel()
    left, values = np.linalg.eigh(gram(interactions))[::-1]
    leading = left[:, np.argsort(-values)[: n - 1]]
    low_pass = (leading @ leading.T) * np.sqrt(degree) / np.sqrt(degree)[:, None]
    np.testing.assert_allclose(found, gram(interactions) + 0.5 * low_pass, atol=1e-3)


def test_a_short_table_keeps_the_weights_furthest_from_zero() -> None:
    whole = weights(Bspm.fit(shop()), 9)
    short = weights(Bspm.fit(shop(), settings=BspmSettings(neighbours=3)), 9)
    assert (np.count_nonzero(short, axis=1) <= 3).all()
    assert np.array_equal(short[short != 0], whole[short != 0])
    assert np.abs(short).max(axis=1).tolist() == np.abs(whole).max(axis=1).tolist()
