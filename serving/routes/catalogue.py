"""``PUT /v1/products`` and ``PUT /v1/taxonomy``."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from serving.bodies import TaxonomyBody
from serving.body import read_model, read_records
from serving.openapi import answers, takes
from serving.problem import problem
from serving.routes.answers import json_answer
from serving.service import Service


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["catalogue"])

    @routes.put(
        "/v1/products",
        summary="Add or replace products",
        openapi_extra=takes("ProductBatch"),
        **answers("ProductReceipt", HTTPStatus.ACCEPTED),
    )
    async def put_products(request: Request) -> Response:
        receipt = await service.products.take_products(await read_records(request, "products"))
        if receipt.accepted:
            return json_answer(receipt, HTTPStatus.ACCEPTED)
        detail = f"none of the {len(receipt.rejected)} products fits the contract; see rejected for field and reason"
        members = {"accepted": 0, "rejected": receipt.rejected}
        return problem(request, HTTPStatus.BAD_REQUEST, "Bad input", detail, members)

    @routes.put(
        "/v1/taxonomy",
        summary="Replace the tree of categories",
        openapi_extra=takes("TaxonomyBody"),
        **answers("TaxonomyReceipt", HTTPStatus.ACCEPTED),
    )
    async def put_taxonomy(request: Request) -> Response:
        body = await read_model(request, TaxonomyBody)
        return json_answer(await service.products.take_taxonomy(body.categories), HTTPStatus.ACCEPTED)

    return routes
