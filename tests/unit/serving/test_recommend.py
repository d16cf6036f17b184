"""The path of one recommendation, and the ladder when a part is missing."""

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from feature_repo.activity import Kind
from feature_repo.customer import UserProfile
from ingestion.contracts.exposure import ExposedItem, Exposure
from ingestion.contracts.parse import to_log
from ingestion.transports.log import EXPOSURES, PRODUCTS, Message
from serving.exposure import ExposureLine, ItemLine
from serving.question import Question
from tests.unit.serving.shop import NOW, TEA, TENTS, MemoryLake, Shop, customer, open_shop, product, write_model
from training.candidates import popular


async def put(shop: Shop, *products: Any) -> None:
    """Products through the log, as another process would put them, until the service has them."""
    await shop.log.append(PRODUCTS, [Message(p.key.encode(), to_log(p)) for p in products])
    last = products[-1]
    shown = last.in_stock and not last.hidden
    await shop.until(
        lambda: (
            (offer := shop.service.catalogue.offer(last.item_id, last.market)) is not None
            and (offer.shown, offer.name) == (shown, last.name)
        )
    )


class TestAnswer:
    async def test_a_known_customer_sees_what_goes_with_the_last_click(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            answer = await shop.recommend(user_id="anna", market="DE", limit=3)
        assert {item["item_id"] for item in answer["items"]} == {"tea-1", "tea-3", "tea-4"}
        assert answer["items"][0]["reason"] == "because you viewed Tea 2"
        assert (answer["model_version"], answer["degraded"]) == ("v1", [])
        assert (answer["items"][0]["price"], answer["items"][0]["currency"]) == (10.0, "EUR")

    async def test_the_answer_changes_with_the_next_click(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            before = await shop.items(user_id="anna", limit=2)
            shop.store.customers["u:anna"] = customer("tea-2", "tent-2", "tent-3")
            after = await shop.items(user_id="anna", limit=2)
        assert set(before) <= set(TEA)
        assert set(after) <= set(TENTS)

    async def test_recent_items_of_the_request_count_before_features_know_them(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            assert set(await shop.items(recent_item_ids=["tent-2"], limit=3)) <= set(TENTS)

    async def test_items_in_view_are_not_recommended(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            for placement in ("product", "cart", "home"):
                assert "tea-1" not in await shop.items(placement=placement, item_ids=["tea-1"], limit=8)

    async def test_a_stranger_sees_what_is_popular_in_the_market(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            answer = await shop.recommend(market="DE", limit=1)
        assert [item["item_id"] for item in answer["items"]] == ["tea-1"]
        assert answer["items"][0]["reason"] == "popular in DE"
        assert answer["degraded"] == []

    async def test_unknown_context_items_are_ignored_and_said(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            answer = await shop.recommend(item_ids=["no-such"], recent_item_ids=["tent-1"])
        assert answer["notes"] == ["item_ids: item 'no-such' is in neither the catalogue nor the model and was ignored"]
        assert answer["items"]

    async def test_every_placement_answers_within_its_limit(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.customers["u:anna"] = customer("tea-2", kind=Kind.BUY)
            for placement in ("home", "product", "bought-together", "cart", "category", "search-empty", "email"):
                items = await shop.items(placement=placement, user_id="anna", item_ids=["tea-3"], limit=2)
                assert len(items) == 2, placement
                assert len(set(items)) == 2, placement

    async def test_scores_never_rise(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, products=[product(item) for item in (*TEA, *TENTS, "new-1", "new-2")]) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            scores = [item["score"] for item in (await shop.recommend(user_id="anna", limit=20))["items"]]
        assert len(scores) == 10
        assert scores == sorted(scores, reverse=True)


class TestFilters:
    async def test_a_hidden_or_sold_out_product_disappears(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            await put(shop, product("tea-1", hidden=True), product("tea-3", in_stock=False))
            items = await shop.items(user_id="anna", limit=20)
        assert "tea-4" in items
        assert not {"tea-1", "tea-3"} & set(items)

    async def test_a_market_without_stock_hides_it_there_alone(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            await put(shop, product("tea-1", market="FR", in_stock=False))
            assert "tea-1" not in await shop.items(market="FR", limit=20)
            assert "tea-1" in await shop.items(market="DE", limit=20)

    async def test_what_was_bought_for_good_is_not_shown_again(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            await put(shop, product("tea-3", rebuyable=False, name="Caddy"))
            shop.store.customers["u:anna"] = customer("tea-2", "tea-3", kind=Kind.BUY)
            assert "tea-3" not in await shop.items(user_id="anna", limit=20)
            assert "tea-2" in await shop.items(user_id="anna", limit=20)
            shop.store.customers["u:ben"] = customer("tea-2", profile=UserProfile(bought_items=("tea-3",)))
            assert "tea-3" not in await shop.items(user_id="ben", limit=20)

    async def test_a_category_holds_what_is_below_it(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            tree = [{"category_id": "outdoor"}, {"category_id": "tent", "parent_id": "outdoor"}]
            assert (await shop.client.put("/v1/taxonomy", json={"categories": tree})).status_code == 202
            await shop.until(lambda: len(shop.service.catalogue.taxonomy) == 2)
            items = await shop.items(placement="category", filters={"category_ids": ["outdoor"]}, limit=20)
        assert set(items) == set(TENTS)

    @pytest.mark.parametrize("placement", ["category", "trending", "search-empty"])
    async def test_a_stranger_sees_the_favourites_of_a_category_far_down_the_markets_list(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, placement: str
    ) -> None:
        monkeypatch.setattr(popular, "DEPTH", 2)
        newer = product("tent-5", published_at=NOW + timedelta(days=1))
        products = [product(item) for item in (*TEA, *TENTS)]
        async with open_shop(tmp_path, products=[*products, newer]) as shop:
            filters = {"category_ids": ["tent"], "exclude_item_ids": ["tent-2"]}
            answer = await shop.recommend(placement=placement, market="DE", filters=filters, limit=3)
            assert not set(await shop.items(market="DE", limit=2)) & set(TENTS)
        assert [item["item_id"] for item in answer["items"]] == ["tent-1", "tent-3", "tent-4"]
        assert {item["reason"] for item in answer["items"]} == {"popular in DE"}
        assert answer["degraded"] == []

    @pytest.mark.parametrize("model", [True, False])
    async def test_a_market_of_which_nothing_is_known_is_not_said_to_like_anything(
        self, tmp_path: Path, model: bool
    ) -> None:
        async with open_shop(tmp_path, model=model) as shop:
            view = {"event_id": "e1", "event_name": "view_item", "event_time": NOW.isoformat(), "market": "DE"}
            event = view | {"user_id": "anna", "items": [{"item_id": "tea-1"}]}
            assert (await shop.client.post("/v1/events", json={"events": [event]})).json()["accepted"] == 1
            known, unknown = [await shop.recommend(market=market, limit=1) for market in ("DE", "PT")]
        assert known["items"][0]["item_id"] == unknown["items"][0]["item_id"] == "tea-1"
        assert known["items"][0]["reason"] == "popular in DE"
        assert unknown["items"][0]["reason"] == "popular in the shop"

    async def test_what_is_popular_fills_a_category_page_whose_blend_knows_too_little(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(popular, "DEPTH", 2)
        async with open_shop(tmp_path) as shop:
            served = shop.service.slot
            await shop.until(lambda: served.current is not None)
            assert served.current is not None
            bundle = replace(served.current.bundle, blends={"category": {"session_knn": 1.0}})
            monkeypatch.setattr(served, "current", replace(served.current, bundle=bundle))
            answer = await shop.recommend(
                placement="category", market="DE", filters={"category_ids": ["tent"]}, limit=1
            )
        assert [item["item_id"] for item in answer["items"]] == ["tent-1"]
        assert answer["degraded"] == ["popular"]

    async def test_excluded_items_do_not_appear(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            assert "tea-1" not in await shop.items(filters={"exclude_item_ids": ["tea-1"]}, limit=20)

    async def test_without_any_product_feed_every_item_of_the_model_is_sold(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, products=[]) as shop:
            assert len(await shop.items(limit=20)) == 8


class TestRules:
    async def test_pins_stand_first_while_they_are_sold(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, pins={"home": ("tent-4", "tea-4")}) as shop:
            assert (await shop.items(limit=4))[:2] == ["tent-4", "tea-4"]
            await put(shop, product("tent-4", hidden=True))
            assert (await shop.items(limit=4))[0] == "tea-4"

    async def test_no_category_takes_more_than_its_share(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, category_share=0.5) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            items = await shop.items(user_id="anna", limit=4)
        assert len(set(items) & set(TEA)) == 2


class TestExploration:
    async def test_exposures_carry_how_likely_each_item_was_to_stand_there(self, tmp_path: Path) -> None:
        answers = 1_500
        pins = {"home": ["tent-4"]}
        async with open_shop(tmp_path, explore_share=0.1, pins=pins, exposure_queue=answers) as shop:
            for _ in range(answers):
                await shop.service.recommender.recommend(Question(placement="home", market="DE", limit=4))
            await shop.until(lambda: len(shop.log.values(EXPOSURES)) == answers)
            exposures = [Exposure.model_validate_json(value) for value in shop.log.values(EXPOSURES)]
        shown = Counter((item.position, item.item_id, item.propensity) for one in exposures for item in one.items)
        assert len({item for _, item, _ in shown}) > 4
        assert shown[0, "tent-4", 1.0] == answers
        for (_, _, propensity), count in shown.items():
            noise = 5 * (propensity * (1 - propensity) / answers) ** 0.5
            assert count / answers == pytest.approx(propensity, abs=noise + 1e-12)

    async def test_by_default_nothing_is_left_to_chance(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            assert len({tuple(await shop.items(market="DE")) for _ in range(20)}) == 1


class TestLadder:
    async def test_a_store_that_is_down_leaves_the_requests_own_context(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.failing = True
            answer = await shop.recommend(user_id="anna", recent_item_ids=["tent-2"], limit=3)
        assert answer["degraded"] == ["no-features"]
        assert {item["item_id"] for item in answer["items"]} <= set(TENTS)

    async def test_a_store_that_hangs_does_not_hold_the_answer(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, deadline_ms=200) as shop:
            shop.store.hanging = True
            started = time.perf_counter()
            answer = await shop.recommend(user_id="anna")
            assert time.perf_counter() - started < 5  # it would hang for ever
        assert answer["degraded"] == ["no-features"]
        assert answer["items"]

    async def test_a_store_that_keeps_hanging_is_left_alone_for_a_while(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, deadline_ms=2) as shop:
            shop.store.hanging = True
            for _ in range(20):
                await shop.recommend(user_id="anna")
            assert shop.store.reads < 20

    async def test_without_time_for_the_ranker_the_blend_answers(self, tmp_path: Path) -> None:
        write_model(tmp_path / "v1", ranked=True)
        async with open_shop(tmp_path, model=False) as shop:
            shop.registry.champion = "v1"
            await shop.until(lambda: shop.service.slot.current is not None)
            shop.store.customers["u:anna"] = customer("tea-2")
            recommender = shop.service.recommender
            question = Question(placement="home", user_id="anna", market="DE", limit=3)
            answers = []
            for took in (0.0, 0.99):
                ticks = iter((0.0, took * recommender.settings.deadline_ms / 1000))
                answers.append(await replace(recommender, seconds=ticks.__next__).recommend(question))
        in_time, late = answers
        assert (in_time.degraded, late.degraded) == ([], ["no-ranker"])
        assert [item.item_id for item in late.items] != [item.item_id for item in in_time.items]
        assert "tea-1" not in {item.item_id for item in in_time.items}  # which has most visitors

    async def test_without_a_model_popular_comes_from_the_last_events(self, tmp_path: Path) -> None:
        now = [NOW]
        async with open_shop(tmp_path, model=False, clock=lambda: now[0]) as shop:
            event = {"event_name": "view_item", "event_time": NOW.isoformat(), "user_id": "a", "market": "DE"}
            viewed = ["tent-3", "tent-3", "tea-4"]
            events = [event | {"event_id": f"e{n}", "items": [{"item_id": i}]} for n, i in enumerate(viewed)]
            assert (await shop.client.post("/v1/events", json={"events": events})).status_code == 202
            answer = await shop.recommend(market="DE", limit=2)
            assert [item["item_id"] for item in answer["items"]] == ["tent-3", "tea-4"]
            assert answer["degraded"] == ["no-model", "popular"]
            assert answer["model_version"] is None
            now[0] += timedelta(seconds=2)

    async def test_at_last_the_newest_products(self, tmp_path: Path) -> None:
        products = [product(item, published_at=NOW - timedelta(days=n)) for n, item in enumerate(TEA)]
        async with open_shop(tmp_path, model=False, products=products) as shop:
            answer = await shop.recommend(limit=3)
        assert [item["item_id"] for item in answer["items"]] == TEA[:3]
        assert answer["degraded"] == ["no-model", "newest"]
        assert answer["items"][0]["reason"] == "new in the shop"

    async def test_an_empty_shop_answers_an_empty_list(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, model=False, products=[]) as shop:
            assert (await shop.recommend())["items"] == []

    async def test_a_lake_that_is_down_at_the_start_is_made_up_for_by_the_log(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, lake=MemoryLake(failing=True), model=False) as shop:
            await put(shop, product("tea-1"))
            assert await shop.items() == ["tea-1"]


class TestExposure:
    async def test_what_was_shown_is_logged_as_the_contract_says(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.store.customers["u:anna"] = customer("tea-2")
            answer = await shop.recommend(user_id="anna", market="DE", limit=2)
            await shop.until(lambda: shop.log.values(EXPOSURES))
        exposure = Exposure.model_validate_json(shop.log.values(EXPOSURES)[0])
        assert exposure.recommendation_id == answer["recommendation_id"]
        assert exposure.customer_key == "u:anna"
        assert [item.item_id for item in exposure.items] == [item["item_id"] for item in answer["items"]]
        assert shop.log.records[EXPOSURES][0].key == b"u:anna"

    async def test_a_question_that_cannot_be_asked_again_is_marked(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            await shop.recommend(user_id="anna", market="DE", limit=2, filters={"exclude_item_ids": []})
            await shop.recommend(recent_item_ids=["tea-2"], filters={"category_ids": ["tea"]})
            await shop.recommend(item_ids=["tea-2"], filters={"exclude_item_ids": ["tea-1"]})
            await shop.until(lambda: len(shop.log.values(EXPOSURES)) == 3)
        exposures = [Exposure.model_validate_json(value) for value in shop.log.values(EXPOSURES)]
        assert [exposure.asked_with for exposure in exposures] == [
            (),
            ("recent_item_ids", "category_ids"),
            ("item_ids", "exclude_item_ids"),
        ]

    def test_a_line_has_the_fields_of_the_contract(self) -> None:
        assert list(ExposureLine.__struct_fields__) == list(Exposure.model_fields)
        assert list(ItemLine.__struct_fields__) == list(ExposedItem.model_fields)

    async def test_what_waits_is_written_at_shutdown(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            for _ in range(20):
                await shop.recommend()
        assert len(shop.log.values(EXPOSURES)) == 20

    async def test_a_full_queue_drops_and_counts(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, exposure_queue=3) as shop:
            # Asked without the network, so that the writer gets no turn in between.
            for _ in range(5):
                await shop.service.recommender.recommend(Question(placement="home"))
            metrics = (await shop.client.get("/metrics")).text
        assert "shopfloor_exposures_dropped_total 2.0" in metrics

    async def test_the_answer_names_only_what_the_contract_has(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            raw = (await shop.client.post("/v1/recommendations", json={"placement": "home"})).content
        fields = set(msgspec.json.decode(raw))
        assert fields == {"recommendation_id", "model_version", "variant", "degraded", "notes", "items"}


@pytest.mark.parametrize(("limit", "status"), [(1, 200), (100, 200), (0, 400), (101, 400), (1_000_000, 400)])
async def test_a_limit_at_and_over_its_bounds(tmp_path: Path, limit: int, status: int) -> None:
    async with open_shop(tmp_path) as shop:
        for answer in (
            await shop.client.post("/v1/recommendations", json={"placement": "home", "limit": limit}),
            await shop.client.get("/v1/recommendations", params={"placement": "home", "limit": limit}),
            await shop.client.get("/v1/items/tea-1/similar", params={"limit": limit}),
        ):
            assert answer.status_code == status
            if status == 400:
                assert answer.json()["errors"][0]["field"] == "limit"
