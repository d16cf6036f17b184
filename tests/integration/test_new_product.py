"""A product on its first day: put into the catalogue, touched by nobody, and recommended to who likes its category."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from benchmarks.new_items import measured, retailrocket
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.tables import EVENTS_SCHEMA, PRODUCTS_SCHEMA, TAXONOMY_SCHEMA
from ingestion.contracts.taxonomy import Category, stored_tree
from ingestion.sinks.lake import Lake, Source
from tests.integration.test_quality_floor import DATA
from tests.unit.training.lake_files import NOON, a_shop
from training.assortment import CatalogueFiles
from training.blend import propose
from training.bundle import Bundle
from training.interactions import History
from training.jobs import Trained, train
from training.registry import ModelRegistry
from training.settings import TrainingSettings

TREE = [
    Category(category_id="garden"),
    Category(category_id="kitchen"),
    Category(category_id="tools", parent_id="garden"),
    Category(category_id="pots", parent_id="kitchen"),
]
NAMES = dict(zip("abcdwxyz", ["spade", "rake", "hoe", "fork", "pan", "pot", "lid", "wok"], strict=True))


def products(*new: dict[str, Any]) -> list[dict[str, Any]]:
    """``a_shop`` sells tools, of which the one half of its customers buys, and pots for the others."""
    known = [{"item_id": i, "name": n, "category_id": "tools" if i in "abcd" else "pots"} for i, n in NAMES.items()]
    before = {"updated_at": NOON, "published_at": NOON - timedelta(days=400)}
    return [StoredProduct(**(before | record)).model_dump() for record in [*known, *new]]


def trained(folder: Path, *new: dict[str, Any]) -> tuple[Trained, Bundle]:
    """A training from a real lake with these products beside those that were there before."""
    lake = Lake(str(folder / "lake"))
    tree = [node.model_dump() for node in stored_tree(TREE, NOON, "test")]
    tables = (
        ("events", a_shop(), EVENTS_SCHEMA),
        ("products", products(*new), PRODUCTS_SCHEMA),
        ("taxonomy", tree, TAXONOMY_SCHEMA),
    )
    for table, rows, schema in tables:
        placed = [row | {"log_partition": 0, "log_offset": offset} for offset, row in enumerate(rows)]
        lake.append(table, pa.Table.from_pylist(placed, schema=schema), Source("log", table), {0: len(rows)})
    registry = ModelRegistry(f"sqlite:///{folder}/mlflow.db", folder / "cache", folder / "mlartifacts")
    done = train(
        lake.event_files(),
        registry,
        TrainingSettings(most_events_a_day=100, holdout_questions=50, ranker_questions=0),
        folder,
        lambda: datetime.now(UTC),
        lambda step, done, total: None,
        catalogue=CatalogueFiles(lake.files("products"), lake.files("taxonomy")),
    )
    return done, Bundle.open(registry.fetch(done.version), done.version)


def answer(bundle: Bundle, placement: str, *viewed: str) -> list[str]:
    history = History.of([bundle.item_index[item] for item in viewed], now=int(NOON.timestamp()) + 4_000 * 60)
    return [str(item) for item in bundle.item_ids[propose(bundle, placement, history, 20).item]]


def test_a_product_is_recommended_before_anybody_touched_it(tmp_path: Path) -> None:
    today = NOON + timedelta(days=2)
    done, bundle = trained(
        tmp_path,
        {"item_id": "new tool", "name": "spade, folding", "category_id": "tools", "published_at": today},
        {"item_id": "new pot", "name": "pot, large", "category_id": "pots", "published_at": today},
        {"item_id": "withdrawn", "category_id": "tools", "published_at": today, "hidden": True},
    )
    assert (done.manifest.window.items, done.manifest.window.untouched_items) == (8, 2)
    for placement in ("home", "category", "email", "search-empty"):
        gardener, cook = answer(bundle, placement, "a", "b"), answer(bundle, placement, "x", "y")
        assert "new tool" in gardener, placement
        assert "new pot" in cook, placement
        assert gardener.index("new tool") < (gardener.index("new pot") if "new pot" in gardener else 20), placement
    assert answer(bundle, "new", "a") == ["new tool"]
    assert answer(bundle, "new", "x") == ["new pot"]
    history = History.of([bundle.item_index["b"], bundle.item_index["a"]])
    assert bundle.models["new_items"].because(history, bundle.item_index["new tool"]) == 1
    assert "withdrawn" not in bundle.item_index


@pytest.mark.data
def test_real_new_products_are_found_by_their_first_customers() -> None:
    if not (DATA / "retailrocket_taxonomy_sessions").is_dir():
        pytest.skip(f"{DATA} has no sessions with a taxonomy: point SHOPFLOOR_TEST_DATA at the shared data sets")
    figures = {figure.what.partition(": ")[2]: figure for figure in measured("", retailrocket(DATA, "test"))}
    assert figures["found, over popularity in its category"].met
    over_categories = figures["found, over the visitor's own categories"].measured
    assert over_categories is not None
    assert over_categories > 1.04
