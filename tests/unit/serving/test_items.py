"""``GET /v1/items/{item_id}/bought-together``: answers about one product."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.serving.shop import TEA, TENTS, Shop, open_shop, product


async def bought_with(shop: Shop, item_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await shop.client.get(f"/v1/items/{item_id}/bought-together", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class TestBoughtTogether:
    @pytest.mark.parametrize("group", [TEA, TENTS], ids=["tea", "tents"])
    async def test_what_stood_in_the_same_orders_comes_first_and_says_so(
        self, tmp_path: Path, group: list[str]
    ) -> None:
        asked, *others = group
        async with open_shop(tmp_path) as shop:
            items = await bought_with(shop, asked, limit=3)
        assert sorted(item["item_id"] for item in items) == others
        assert {item["reason"] for item in items} == {f"often bought together with {asked.replace('-', ' ').title()}"}

    async def test_it_is_an_answer_of_its_own_placement(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            await bought_with(shop, "tea-2")
            metrics = (await shop.client.get("/metrics")).text
        assert 'shopfloor_recommendations_total{placement="bought-together"} 1.0' in metrics

    async def test_a_market_where_one_is_sold_out(self, tmp_path: Path) -> None:
        sold_out = product("tea-3", market="FR", in_stock=False)
        async with open_shop(tmp_path, products=[*map(product, (*TEA, *TENTS)), sold_out]) as shop:
            there = [item["item_id"] for item in await bought_with(shop, "tea-2", market="FR")]
            elsewhere = [item["item_id"] for item in await bought_with(shop, "tea-2", market="DE")]
        assert "tea-3" in elsewhere
        assert "tea-3" not in there

    async def test_without_a_model_there_is_nothing_to_say(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, model=False) as shop:
            assert await bought_with(shop, "tea-2") == []

    async def test_an_item_that_nobody_knows(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            answer = await shop.client.get("/v1/items/no-such/bought-together")
        assert (answer.status_code, answer.json()["title"]) == (404, "Not found")
        assert "'no-such'" in answer.json()["detail"]

    @pytest.mark.parametrize("limit", [0, 101])
    async def test_a_limit_out_of_bounds(self, tmp_path: Path, limit: int) -> None:
        async with open_shop(tmp_path, model=False) as shop:
            answer = await shop.client.get("/v1/items/tea-1/bought-together", params={"limit": limit})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "limit"
