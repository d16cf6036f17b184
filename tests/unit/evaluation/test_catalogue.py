"""The items file, and the models that use it."""

from pathlib import Path

import pandas as pd

from training.candidates.new_items import NewItems
from training.candidates.trending import Trending
from training.evaluation.catalogue import Catalogue
from training.evaluation.protocol import Protocol, read_task
from training.models import fit_for


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
