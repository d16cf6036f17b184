"""What each market sells, as masks."""

from datetime import timedelta

from ingestion.contracts.taxonomy import StoredCategory
from serving.catalogue import Catalogue
from serving.rules import Candidate, spread
from serving.taxonomy import Taxonomy
from tests.unit.serving.shop import NOW, product


def catalogue_of(*products: object) -> Catalogue:
    catalogue = Catalogue()
    for each in products:
        catalogue.apply(each)  # type: ignore[arg-type]
    catalogue.settle()
    return catalogue


def is_shown(catalogue: Catalogue, item_id: str, market: str | None) -> bool:
    return bool(catalogue.shown(market)[catalogue.row(item_id)])


class TestMarkets:
    def test_a_markets_own_record_replaces_the_base_there(self) -> None:
        catalogue = catalogue_of(product("a"), product("a", market="CH", in_stock=False, price=12.0, currency="CHF"))
        assert [is_shown(catalogue, "a", market) for market in (None, "DE", "CH")] == [True, True, False]
        offer = catalogue.offer("a", "CH")
        assert offer is not None
        assert (offer.price, offer.currency) == (12.0, "CHF")

    def test_a_product_of_one_market_is_not_sold_in_another(self) -> None:
        catalogue = catalogue_of(product("a", market="CH"))
        assert [is_shown(catalogue, "a", market) for market in (None, "DE", "CH")] == [True, False, True]

    def test_a_later_record_wins_for_masks_that_were_already_asked_for(self) -> None:
        catalogue = catalogue_of(product("a"))
        assert is_shown(catalogue, "a", "DE")
        catalogue.apply(product("a", hidden=True))
        assert not is_shown(catalogue, "a", "DE")
        catalogue.apply(product("a", market="DE"))
        assert is_shown(catalogue, "a", "DE")
        assert not is_shown(catalogue, "a", "FR")

    def test_more_products_than_first_expected(self) -> None:
        catalogue = catalogue_of(product("a"))
        assert is_shown(catalogue, "a", "DE")
        for number in range(3_000):
            catalogue.apply(product(f"p{number}", in_stock=number % 2 == 0))
        assert int(catalogue.shown("DE").sum()) == 1_501


class TestCategories:
    def test_a_product_is_where_its_last_record_for_the_market_says(self) -> None:
        catalogue = catalogue_of(product("a", category_id="tea"), product("a", market="CH", category_id="gifts"))

        def inside(category: str, market: str) -> bool:
            return bool(catalogue.shown(market, [category])[catalogue.row("a")])

        assert (inside("tea", "DE"), inside("tea", "CH"), inside("gifts", "CH")) == (True, False, True)
        catalogue.apply(product("a", category_id="pots"))
        assert (inside("tea", "DE"), inside("pots", "DE"), inside("gifts", "CH")) == (False, True, True)
        assert not inside("a category that nobody has", "DE")


class TestUnknownItems:
    def test_they_are_sold_only_in_a_shop_known_to_have_no_feed(self) -> None:
        catalogue = Catalogue()
        assert not is_shown(catalogue, "anything", None)
        catalogue.settle()
        assert is_shown(catalogue, "anything", None)
        catalogue.apply(product("a"))
        assert not is_shown(catalogue, "anything", None)


class TestAlignment:
    def test_a_models_items_follow_the_catalogue(self) -> None:
        catalogue = catalogue_of(product("b"), product("c", hidden=True))
        alignment = catalogue.align({"a": 0, "b": 1, "c": 2})
        assert catalogue.shown("DE")[alignment.rows].tolist() == [False, True, False]
        catalogue.apply(product("a"))
        assert catalogue.shown("DE")[alignment.rows].tolist() == [True, True, False]


class TestNewest:
    def test_the_latest_published_first(self) -> None:
        days = {"old": 30, "new": 1, "hidden": 0}
        catalogue = catalogue_of(
            *(product(i, published_at=NOW - timedelta(days=d), hidden=i == "hidden") for i, d in days.items())
        )
        assert catalogue.newest(catalogue.shown(None), 5) == ["new", "old"]


class TestTaxonomy:
    def test_a_version_is_taken_over_once_whole_and_never_replaced_by_an_older_one(self) -> None:
        def node(category: str, parent: str | None, version: str, size: int) -> StoredCategory:
            return StoredCategory(
                category_id=category, parent_id=parent, taxonomy_version=version, size=size, updated_at=NOW
            )

        taxonomy = Taxonomy()
        taxonomy.apply(node("root", None, "v2", 2))
        assert len(taxonomy) == 0
        taxonomy.apply(node("root", None, "v2", 2))  # a repeat is no second node
        assert len(taxonomy) == 0
        taxonomy.apply(node("leaf", "root", "v2", 2))
        assert taxonomy.below(["root"]) == {"root", "leaf"}
        taxonomy.apply(node("other", None, "v1", 1))
        assert taxonomy.version == "v2"


class TestSpread:
    def test_what_is_over_the_share_comes_last(self) -> None:
        ranked = [Candidate(item, 1.0, "s") for item in ("a1", "a2", "a3", "b1")]
        chosen = spread(ranked, 4, lambda item: item[0], 0.5)
        assert [candidate.item_id for candidate in chosen] == ["a1", "a2", "b1", "a3"]
