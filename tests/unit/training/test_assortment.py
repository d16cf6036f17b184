"""What a training knows of products from the catalogue."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from tests.unit.training.lake_files import NOON, an_event, write_events, write_products, write_taxonomy
from training.assortment import CatalogueFiles
from training.dataset import read_dataset
from training.interactions import Content, Interactions, Taxonomy

TREE = {"garden": None, "tools": "garden", "pots": "garden"}


def read(folder: Path, *products: dict[str, Any], taxonomy: list[str] | None = None, **window: Any) -> Interactions:
    """A shop in which only the spade was seen."""
    tree = write_taxonomy(folder, TREE) if taxonomy is None else taxonomy
    catalogue = CatalogueFiles(write_products(folder, *products), tree)
    return read_dataset(write_events(folder, an_event(0, "spade")), catalogue=catalogue, **window).interactions


def taxonomy_of(interactions: Interactions) -> Taxonomy:
    assert interactions.taxonomy is not None
    return interactions.taxonomy


def content_of(interactions: Interactions) -> Content:
    assert interactions.content is not None
    return interactions.content


def test_a_product_that_nobody_touched_is_in_the_vocabulary(tmp_path: Path) -> None:
    data = read(tmp_path, {"item_id": "rake", "category_id": "tools"}, {"item_id": "spade", "category_id": "tools"})
    assert sorted(data.item_ids.tolist()) == ["rake", "spade"]
    assert data.item_ids[data.item].tolist() == ["spade"]
    taxonomy = taxonomy_of(data)
    assert taxonomy.category.tolist() == taxonomy.parent.tolist() == [0, 0]


def test_categories_stand_below_their_parents_and_roots_are_their_own(tmp_path: Path) -> None:
    products = [{"item_id": name, "category_id": category} for name, category in zip("abcd", TREE, strict=False)]
    products.append({"item_id": "lost", "category_id": "a category that the tree does not have"})
    data = read(tmp_path, *products, {"item_id": "unsorted"})
    taxonomy = taxonomy_of(data)
    of = dict(zip(data.item_ids.tolist(), zip(taxonomy.category, taxonomy.parent, strict=True), strict=True))
    assert of["spade"] == of["unsorted"] == (-1, -1)
    assert len({of[name][0] for name in ("a", "b", "c", "lost")}) == 4
    assert of["a"][1] == of["b"][1] == of["c"][1]
    assert of["lost"][1] not in (of["a"][1], -1)


def test_product_lines_are_called_as_the_tree_calls_them(tmp_path: Path) -> None:
    tree = {
        "garden": None,
        "tools": "garden",
        "pans": "kitchen",
        "kitchen": None,
        "7": None,
        "8": None,
        "lost": "attic",
    }
    names = {"garden": "Garden", "tools": "Tools", "7": "More", "8": "More"}
    products = [{"item_id": f"of {category}", "category_id": category} for category in ("8", "lost", *tree)]
    data = read(tmp_path, *products, taxonomy=write_taxonomy(tmp_path, tree, names=names))
    taxonomy = taxonomy_of(data)
    line = dict(zip(data.item_ids.tolist(), taxonomy.parent.tolist(), strict=True))
    told = {item: taxonomy.parents[number] for item, number in line.items() if number >= 0}
    assert told == {
        "of garden": "Garden",
        "of tools": "Garden",
        "of kitchen": "kitchen",
        "of pans": "kitchen",
        "of 7": "More (7)",
        "of 8": "More (8)",
        "of lost": "attic",
    }


def test_the_newest_whole_tree_counts(tmp_path: Path) -> None:
    products = [{"item_id": name, "category_id": category} for name, category in (("x", "tools"), ("y", "pots"))]
    trees = [
        *write_taxonomy(tmp_path, {"tools": None, "pots": None}, version="1"),
        *write_taxonomy(tmp_path, TREE, version="2"),
        *write_taxonomy(tmp_path, {"tools": None, "pots": None}, version="3", size=3),
    ]
    data = read(tmp_path, *products, taxonomy=trees)
    parent = dict(zip(data.item_ids.tolist(), taxonomy_of(data).parent.tolist(), strict=True))
    assert parent["x"] == parent["y"] >= 0


def test_a_products_own_record_describes_it_and_its_markets_fill_the_gaps(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        {"item_id": "spade", "market": "AT", "name": "Spaten", "brand": "Schmied", "price": 30.0, "currency": "EUR"},
        {"item_id": "spade", "name": "an old name"},
        {"item_id": "spade", "name": "spade", "price": 25.0, "currency": "EUR"},
    )
    content = content_of(data)
    assert content.name == ("spade",)
    assert content.brand.tolist() == [0]
    assert content.price.tolist() == [25.0]


def test_what_is_not_known_says_so(tmp_path: Path) -> None:
    published = NOON - timedelta(days=3)
    data = read(tmp_path, {"item_id": "rake", "published_at": published, "category_id": "tools"})
    taxonomy, content = taxonomy_of(data), content_of(data)
    assert sorted(data.item_ids.tolist()) == ["rake", "spade"]
    assert taxonomy.category.tolist() == [0, -1]
    assert content.name == ("", "")
    assert content.brand.tolist() == [-1, -1]
    assert np.isnan(content.price).all()
    assert content.published.tolist() == [int(published.timestamp()), 0]


def test_a_price_in_another_currency_than_most_is_not_compared(tmp_path: Path) -> None:
    prices = {"rake": (9.0, "EUR"), "spade": (7.0, "EUR"), "trowel": (900.0, "JPY")}
    products = [{"item_id": i, "price": price, "currency": currency} for i, (price, currency) in prices.items()]
    content = content_of(read(tmp_path, *products))
    np.testing.assert_array_equal(content.price, np.array([9, 7, np.nan], np.float32))


def test_a_product_that_is_not_offered_yet_or_no_longer_does_not_join(tmp_path: Path) -> None:
    data = read(
        tmp_path,
        {"item_id": "withdrawn", "hidden": True},
        {"item_id": "withdrawn in one market", "market": "DE", "hidden": True},
        {"item_id": "withdrawn in one market", "market": "AT", "hidden": False},
        {"item_id": "next season", "published_at": NOON + timedelta(days=30)},
        {"item_id": "first put into the catalogue now", "updated_at": NOON},
        until=NOON + timedelta(days=1),
    )
    assert sorted(data.item_ids.tolist()) == ["first put into the catalogue now", "spade", "withdrawn in one market"]


def test_a_catalogue_of_other_products_says_nothing(tmp_path: Path) -> None:
    data = read(tmp_path, {"item_id": "elsewhere", "hidden": True, "category_id": "tools"})
    assert data.taxonomy is data.content is None


def test_a_shop_without_a_catalogue(tmp_path: Path) -> None:
    data = read_dataset(write_events(tmp_path, an_event(0, "spade"))).interactions
    assert data.taxonomy is data.content is None
