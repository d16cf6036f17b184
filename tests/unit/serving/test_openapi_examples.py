"""The OpenAPI document shows what goes in and out of every operation, and what it shows is true."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from serving.app import create_app
from serving.examples import EXAMPLES
from serving.openapi import ANSWERS, BODIES
from serving.service import Parts
from serving.settings import ServingSettings
from tests.unit.serving.shop import FolderRegistry, MemoryLake, MemoryLog, MemoryStore, Shop, open_shop


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    parts = Parts(
        log=MemoryLog(),
        features=MemoryStore(),
        lake=MemoryLake(),
        registry=FolderRegistry(Path("none")),
        settings=ServingSettings(),
        keys=(),
        markets=(),
        clock=lambda: datetime.now(UTC),
        new_id=lambda: "r1",
    )
    for path, item in create_app(parts).openapi()["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


OPERATIONS = dict(operations())


@pytest.mark.parametrize("name", OPERATIONS)
class TestEveryOperation:
    def test_shows_what_it_answers(self, name: str) -> None:
        for status, answer in OPERATIONS[name]["responses"].items():
            assert answer["content"], f"{status} has no body"
            assert all(media.get("example") for media in answer["content"].values()), f"{status} has no example"

    def test_shows_what_it_takes(self, name: str) -> None:
        takes = OPERATIONS[name].get("requestBody")
        assert (takes is not None) == name.startswith(("POST", "PUT"))
        assert takes is None or all(media["example"] for media in takes["content"].values())


def test_a_service_that_starts_tells_its_parts_too() -> None:
    for status in ("200", "503"):
        (body,) = OPERATIONS["GET /readyz"]["responses"][status]["content"].values()
        assert body["schema"]["$ref"].endswith("/Readiness")


class TestExamples:
    @pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.__name__)
    def test_of_an_answer_is_one(self, answer: type[msgspec.Struct]) -> None:
        example = EXAMPLES[answer.__name__]
        assert json.loads(msgspec.json.encode(msgspec.json.decode(json.dumps(example), type=answer))) == example

    @pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
    def test_of_a_body_is_one(self, body: Any) -> None:
        body.model_validate_json(json.dumps(EXAMPLES[body.__name__]))

    async def test_of_requests_are_taken(self, tmp_path: Path) -> None:
        later = datetime(2026, 11, 21, tzinfo=UTC)
        async with open_shop(tmp_path, model=False, clock=lambda: later) as shop:
            assert await taken(shop, "POST", "/v1/events", "EventBatch") == {
                "accepted": 1,
                "duplicates": 0,
                "rejected": [],
            }
            assert await taken(shop, "PUT", "/v1/products", "ProductBatch") == EXAMPLES["ProductReceipt"]
            tree = await taken(shop, "PUT", "/v1/taxonomy", "TaxonomyBody")
            assert tree["accepted"] == EXAMPLES["TaxonomyReceipt"]["accepted"]
            await taken(shop, "POST", "/v1/recommendations", "Question")


async def taken(shop: Shop, method: str, path: str, body: str) -> Any:
    answer = await shop.client.request(method, path, json=EXAMPLES[body])
    assert answer.is_success, answer.text
    return answer.json()
