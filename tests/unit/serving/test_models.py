"""The champion is followed: swapped between requests, refused when it does not fit, kept for a rollback."""

import asyncio
from pathlib import Path
from unittest.mock import patch

from tests.unit.serving.shop import TEA, TENTS, open_shop, write_model


def version(shop: object) -> str | None:
    current = shop.service.slot.current  # type: ignore[attr-defined]
    return None if current is None else current.bundle.version


class TestModelFollower:
    async def test_a_new_champion_takes_over_while_requests_run(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            write_model(tmp_path / "v2", items=(*TEA, *TENTS, "tent-5"))
            shop.registry.champion = "v2"
            seen = set()
            while "v2" not in seen:
                seen.add((await shop.recommend())["model_version"])
                await asyncio.sleep(0)  # a request without a network never lets go of the event loop
            assert seen == {"v1", "v2"}

    async def test_a_rollback_needs_no_file(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            write_model(tmp_path / "v2")
            shop.registry.champion = "v2"
            await shop.until(lambda: version(shop) == "v2")
            (tmp_path / "v1" / "manifest.json").unlink()
            shop.registry.champion = "v1"
            await shop.until(lambda: version(shop) == "v1")

    async def test_a_corrupt_bundle_is_refused_and_the_old_one_stays(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            folder = write_model(tmp_path / "v2")
            array = next((folder / "models").rglob("*.npy"))
            array.write_bytes(array.read_bytes()[:-1] + b"\x01")
            shop.registry.champion = "v2"
            await shop.until(lambda: shop.service.slot.problem is not None)
            assert (await shop.recommend())["model_version"] == "v1"
            model = (await shop.client.get("/readyz")).json()["parts"]["model"]
            assert model["state"] == "failing"
            assert array.name in model["detail"]
            assert "shopfloor_model_refused_total 1.0" in (await shop.client.get("/metrics")).text
            shop.registry.champion = "v1"
            await shop.until(lambda: shop.service.slot.problem is None)

    async def test_a_refused_version_is_not_opened_again_at_every_look(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            fetched = []
            real = shop.registry.fetch
            with patch.object(shop.registry, "fetch", lambda v: (fetched.append(v), real(v))[1]):
                shop.registry.champion = "missing"
                await shop.until(lambda: shop.service.slot.problem is not None)
                for _ in range(5):
                    await shop.service.follower.look()
            assert fetched == ["missing"]

    async def test_a_registry_that_is_away_changes_nothing(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.registry.failing = True
            await shop.until(lambda: shop.service.slot.problem is not None)
            assert (await shop.recommend())["model_version"] == "v1"
            shop.registry.failing = False
            await shop.until(lambda: shop.service.slot.problem is None)

    async def test_a_champion_whose_alias_was_deleted_answers_on_and_is_told(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path) as shop:
            shop.registry.champion = None
            await shop.until(lambda: shop.service.slot.problem is not None)
            assert (await shop.recommend())["model_version"] == "v1"
            model = (await shop.client.get("/readyz")).json()["parts"]["model"]
            assert model["state"] == "failing"
            assert "the registry names no champion any more" in model["detail"]
            shop.registry.champion = "v1"
            await shop.until(lambda: shop.service.slot.problem is None)

    async def test_a_product_that_arrives_after_the_model_is_tied_to_it(self, tmp_path: Path) -> None:
        async with open_shop(tmp_path, products=[]) as shop:
            await shop.client.put("/v1/products", json={"products": [{"item_id": "tea-2"}]})
            await shop.until(lambda: len(shop.service.catalogue) == 1)
            assert await shop.items(limit=20) == ["tea-2"]
