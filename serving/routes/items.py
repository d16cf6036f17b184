"""``GET /v1/items/{item_id}/similar`` and ``…/bought-together``."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from feature_repo.errors import NotFound
from ingestion.contracts.event import Market
from serving.openapi import answers
from serving.question import MAX_LIMIT, Question
from serving.routes.answers import json_answer
from serving.routes.any_id import allow_any_id
from serving.service import Service

ItemId = Annotated[str, Path(min_length=1, max_length=256, examples=["sku-17"])]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]


def router(service: Service) -> APIRouter:
    allow_any_id()
    routes = APIRouter(tags=["recommendations"])

    @routes.get("/v1/items/{item_id:id}/similar", summary="Products like this one", **answers("Answer"))
    async def similar(item_id: ItemId, market: Market | None = None, limit: Limit = 10) -> Response:
        return await about(item_id, "product", market, limit)

    @routes.get("/v1/items/{item_id:id}/bought-together", summary="Products bought with it", **answers("Answer"))
    async def bought_together(item_id: ItemId, market: Market | None = None, limit: Limit = 10) -> Response:
        return await about(item_id, "bought-together", market, limit)

    async def about(item_id: str, placement: str, market: str | None, limit: int) -> Response:
        if not service.recommender.knows(item_id):
            raise NotFound(f"item {item_id!r} is in neither the catalogue nor the model; check the item_id")
        question = Question(placement=placement, market=market, item_ids=(item_id,), limit=limit)
        return json_answer(await service.recommender.recommend(question))

    return routes
