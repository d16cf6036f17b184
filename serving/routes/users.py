"""``GET /v1/users/{user_id}/features`` and ``DELETE /v1/users/{user_id}``."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Path, Request
from starlette.responses import Response

from feature_repo.customer import CustomerFeatures
from feature_repo.errors import NotFound
from ingestion.contracts.event import customer_key
from serving.bodies import Erased, UserFeatures
from serving.openapi import answers
from serving.routes.answers import json_answer
from serving.routes.any_id import allow_any_id, spelled_out
from serving.service import Service

UserId = Annotated[str, Path(min_length=1, max_length=256, examples=["c-1042"])]
FEATURES: Final = "/features"


def router(service: Service) -> APIRouter:
    allow_any_id()
    routes = APIRouter(tags=["users"])
    store = service.parts.features

    @routes.get("/v1/users/{user_id:id}" + FEATURES, summary="What we know of a customer", **answers("UserFeatures"))
    async def features(user_id: UserId) -> Response:
        customer = await store.read_customer(user_id, None)
        if customer == CustomerFeatures():
            raise NotFound(f"online features know nothing of user {user_id!r}")
        return json_answer(UserFeatures.of(user_id, customer))

    @routes.delete("/v1/users/{user_id:id}", summary="Erase a customer's online features", **answers("Erased"))
    async def erase(user_id: UserId, request: Request) -> Response:
        if spelled_out(request, FEATURES):
            # Somebody wants this customer's features gone: erasing "anna/features" instead of "anna" would hide that.
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": HTTPMethod.GET})
        customer = await store.read_customer(user_id, None)
        keys = [customer_key(user_id, None), *(customer_key(None, device) for device in customer.activity.links)]
        await store.erase(keys)
        return json_answer(Erased(user_id, keys))

    return routes
