"""New items."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from feature_repo.activity import Kind
from tests.unit.training.candidate_suite import TEA, TOOLS, CandidateSuite, numbers
from training.candidates.candidate import CandidateModel
from training.candidates.new_items import NewItems, NewItemsSettings
from training.interactions import Content, History, Interactions, Taxonomy, from_frame

DAY = 86_400
START = 1_700_000_000
NOW = START + 200 * DAY


def shop(products: dict[str, dict[str, Any]], *touches: tuple[str, str, float]) -> Interactions:
    """Products with any of category, parent, name, brand, price, published (days); touches: customer, item, day."""
    frame = pd.DataFrame(touches, columns=["user", "item", "time"])
    frame["time"] = (START + frame["time"] * DAY).astype(np.int64)
    data = from_frame(frame)
    ids = np.array(sorted({*products, *data.item_ids.tolist()}))
    of = [products.get(item, {}) for item in ids.tolist()]

    def codes(field: str) -> np.ndarray[Any, np.dtype[np.int32]]:
        names = sorted({product[field] for product in of if field in product})
        return np.array([names.index(p[field]) if field in p else -1 for p in of], np.int32)

    return replace(
        data,
        item=np.searchsorted(ids, data.item_ids)[data.item].astype(np.int32),
        item_ids=ids,
        taxonomy=Taxonomy(codes("category"), codes("parent")),
        content=Content(
            name=tuple(product.get("name", "") for product in of),
            brand=codes("brand"),
            price=np.array([product.get("price", np.nan) for product in of], np.float32),
            published=np.array([START + p["published"] * DAY if "published" in p else 0 for p in of], np.int64),
        ),
    )


def proposed(data: Interactions, *history: str, settings: NewItemsSettings | None = None) -> list[str]:
    model = NewItems.fit(data, settings=settings)
    found = model.propose(History.of(numbers(data, *history), now=NOW), 20)
    return [str(item) for item in data.item_ids[found.item]]


def everybody_bought(*items: str) -> list[tuple[str, str, float]]:
    return [(f"customer {n}", item, n) for item in items for n in range(20)]


class TestNewItems(CandidateSuite):
    """Tea stands in one category and tools in another; everything counts as new."""

    model = NewItems
    settings: ClassVar[dict[str, Any]] = {"settings": NewItemsSettings(most_customers=1000)}
    for_untouched = True

    def fit(self, interactions: Interactions, seed: int = 7) -> CandidateModel:
        shelf = [0 if item in TEA else 1 if item in TOOLS else 2 for item in interactions.item_ids.tolist()]
        category = np.array(shelf, np.int32)
        return super().fit(replace(interactions, taxonomy=Taxonomy(category, category)), seed)


@pytest.mark.parametrize(
    "alike",
    [
        pytest.param({"category": "teas"}, id="category"),
        pytest.param({"parent": "drinks"}, id="parent category"),
        pytest.param({"name": "Green teas of spring"}, id="name"),
        pytest.param({"brand": "Leaf"}, id="brand"),
        pytest.param({"price": 4.0}, id="price"),
    ],
)
def test_a_product_without_any_event_is_proposed_for_what_it_is(alike: dict[str, Any]) -> None:
    known = {"category": "teas", "parent": "drinks", "name": "Green tea", "brand": "Leaf", "price": 4.1}
    other = {"category": "axes", "parent": "tools", "name": "Axe", "brand": "Smith", "price": 60.0}
    data = shop({"tea": known, "axe": other, "new": alike, "odd": {}}, *everybody_bought("tea", "axe"))
    assert proposed(data, "tea") == ["new"]
    assert proposed(data, "axe") == []


def test_the_nearest_comes_first() -> None:
    tea = {"category": "teas", "parent": "drinks"}
    products = {"tea": tea | {"name": "green tea"}, "coffee": {"category": "coffees", "parent": "drinks"}}
    products |= {"new tea": tea | {"name": "green tea, fine"}, "new coffee": products["coffee"], "black": tea}
    data = shop(products, *everybody_bought("tea", "coffee"))
    assert proposed(data, "tea") == ["new tea", "black", "new coffee"]


def test_what_is_like_everything_is_not_for_everybody() -> None:
    common, rare = {"category": "gifts"}, {"category": "teas"}
    products = {f"gift {n}": common for n in range(9)} | {"tea": rare, "new gift": common, "new tea": rare}
    data = shop(products, *everybody_bought("tea", *(f"gift {n}" for n in range(9))))
    assert proposed(data, "gift 0", "tea")[0] == "new tea"


def test_an_item_is_new_until_enough_customers_touched_it() -> None:
    products = {item: {"category": "teas"} for item in ("tea", "few", "many")}
    touches = [(f"customer {n}", "few", n) for n in (0, 1, 2, 0, 1, 2)] + [(f"customer {n}", "many", n) for n in "3456"]
    data = shop(products, *everybody_bought("tea"), *[(who, what, float(day)) for who, what, day in touches])
    assert proposed(data, "tea", settings=NewItemsSettings(most_customers=3)) == ["few"]


def test_a_product_that_was_published_long_ago_and_never_touched_is_not_new() -> None:
    products: dict[str, dict[str, Any]] = {item: {"category": "teas"} for item in ("tea", "undated")}
    products |= {"old": {"category": "teas", "published": 9}, "young": {"category": "teas", "published": 150}}
    data = shop(products, *everybody_bought("tea"), ("anna", "tea", 180))
    assert set(proposed(data, "tea")) == {"undated", "young"}


def test_who_took_a_novelty_is_offered_the_next_one_like_it() -> None:
    products: dict[str, dict[str, Any]] = {"tea": {"category": "teas"}, "lamp": {"category": "lamps"}}
    products |= {"new tea": {"category": "teas"}, "new lamp": {"category": "lamps"}}
    data = shop(products, *everybody_bought("tea"), *[(f"customer {n}", "lamp", 190.0) for n in range(20)])
    model = NewItems.fit(data)
    items = np.array(numbers(data, "tea", "lamp"), np.int32)
    at = np.array([NOW - 2, NOW - 2], np.int64)
    past = History(items, np.full(2, Kind.BUY, np.int8), at, np.zeros(2, np.bool_), now=NOW)
    found = model.propose(past, 2)
    assert data.item_ids[found.item].tolist() == ["new lamp", "new tea"]
    assert found.score[0] == pytest.approx(2 * found.score[1])


def test_the_last_click_of_a_visit_says_most_and_is_named_as_the_reason() -> None:
    products = {item: {"category": item.split()[-1]} for item in ("tea", "lamp", "new tea", "new lamp")}
    data = shop(products, *everybody_bought("tea", "lamp"))
    assert proposed(data, "tea", "lamp") == ["new lamp", "new tea"]
    model, history = NewItems.fit(data), History.of(numbers(data, "tea", "lamp", "tea"), now=NOW)
    new_tea, new_lamp = numbers(data, "new tea", "new lamp")
    assert (model.because(history, new_tea), model.because(history, new_lamp)) == (2, 1)
    assert model.because(History.of(numbers(data, "lamp")), new_tea) is None


def test_a_customer_of_whose_items_nothing_is_known_is_offered_nothing() -> None:
    data = shop({"new": {"category": "teas"}}, *everybody_bought("a", "b"))
    assert proposed(data, "a", "b") == []


def test_names_in_other_languages_are_compared_too() -> None:
    products = {"kanne": {"name": "Teekannen aus Glas"}, "neu": {"name": "Glasteekanne"}, "топор": {"name": "топор"}}
    data = shop(products, *everybody_bought("kanne", "топор"))
    assert proposed(data, "kanne") == ["neu"]
