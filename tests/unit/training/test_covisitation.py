import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import CandidateSuite
from training.candidates.covisitation import BoughtTogether, Covisitation
from training.interactions import History, from_frame


class TestCovisitation(CandidateSuite):
    model = Covisitation


class TestBoughtTogether(CandidateSuite):
    model = BoughtTogether


@pytest.mark.parametrize("model", [Covisitation, BoughtTogether])
def test_what_stands_in_every_basket_goes_with_nothing(model: type[Covisitation]) -> None:
    rng = np.random.default_rng(7)
    baskets = [
        ["bag", *(f"{shelf} {number}" for number in rng.choice(6, 2, replace=False))]
        for shelf in rng.choice(["cups", "pots", "pans"], 300)
    ]
    rows = [(n, item, n * 1_000, Kind.BUY) for n, basket in enumerate(baskets) for item in basket]
    shop = from_frame(pd.DataFrame(rows, columns=["session", "item", "time", "event"]))
    names = shop.item_ids.tolist()
    history = History.of([names.index("cups 1")], Kind.CART, now=300_000)
    others = [names[item] for item in model.fit(shop).propose(history, 6).item if names[item] != "cups 1"]
    assert sorted(others[:5]) == ["cups 0", "cups 2", "cups 3", "cups 4", "cups 5"]
    assert others[5:] in ([], ["bag"])
