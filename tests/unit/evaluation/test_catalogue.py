"""The items file, and the models that use it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from tests.unit.training.candidate_suite import checker_board
from training.candidates.new_items import NewItems
from training.candidates.trending import Trending
from training.evaluation.catalogue import Catalogue
from training.evaluation.protocol import Protocol, read_task
from training.interactions import Content, Taxonomy
from training.models import fit_for


def test_what_interactions_know_of_their_items_is_a_catalogue_too() -> None:
    shop = checker_board(visits=20)
    assert Catalogue.of(shop) is None
    n = shop.n_items
    half = (np.arange(n) % 2).astype(np.int32)
    placed = Catalogue.of(replace(shop, taxonomy=Taxonomy(np.arange(n, dtype=np.int32), half, ("tea", "coffee"))))
    assert placed is not None
    assert (placed.lines, placed.has_categories, placed.has_prices) == (("tea", "coffee"), True, False)
    nobody_named = Catalogue.of(replace(shop, taxonomy=Taxonomy(half, half)))
    assert nobody_named is not None
    assert nobody_named.lines == ("0", "1")
    content = Content(("",) * n, half, np.full(n, 2.5, np.float32), np.zeros(n, np.int64))
    priced = Catalogue.of(replace(shop, content=content))
    assert priced is not None
    assert (priced.has_categories, priced.has_prices) == (False, True)
    assert priced.describe(shop).content is not None


def test_models_that_know_how_are_told_what_items_are(tmp_path: Path) -> None:
    clicks = [(session, item) for session in range(9) for item in ("tea", "pot", "lamp")]
    pd.DataFrame(clicks, columns=["session", "item"]).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame(clicks[:3], columns=["session", "item"]).to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "items.csv").write_text("item,category,parent_category,price,name\ntea,7,1,4,green tea\npot,8,1,,\n")
    task = read_task(Protocol.SESSIONS, tmp_path / "train.csv", tmp_path / "test.csv", {}, seed=1)
    catalogue = Catalogue.read(tmp_path / "items.csv", {}, task.train.item_ids)
    described = catalogue.describe(task.train)
    assert described.content is not None
    names = dict(zip(described.item_ids.tolist(), described.content.name, strict=True))
    assert names == {"tea": "green tea", "pot": "", "lamp": ""}
    trending = fit_for("trending", task, 1, catalogue=catalogue)
    assert isinstance(trending, Trending)
    of = dict(zip(task.train.item_ids.tolist(), zip(trending.category, trending.parent, strict=True), strict=True))
    assert of["lamp"] == (-1, -1)
    assert of["tea"][0] != of["pot"][0]
    assert of["tea"][1] == of["pot"][1] >= 0
    new_items = fit_for("new_items", task, 1, catalogue=catalogue)
    assert isinstance(new_items, NewItems)
    assert len(new_items.feature) > 0
    untold = fit_for("new_items", task, 1)
    assert isinstance(untold, NewItems)
    assert len(untold.feature) == 0
