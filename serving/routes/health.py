"""``/healthz``, ``/readyz`` and ``/metrics``."""

from http import HTTPStatus

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from serving.bodies import Health
from serving.examples import METRICS
from serving.openapi import answers, answers_text
from serving.readiness import readiness
from serving.routes.answers import json_answer
from serving.service import Service


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["operation"])

    @routes.get("/healthz", summary="The process lives", **answers("Health"))
    async def healthz() -> Response:
        return json_answer(Health("alive"))

    @routes.get(
        "/readyz",
        summary="Each part's state; 503 while starting",
        **answers("Readiness", HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE),
    )
    async def readyz() -> Response:
        state = await readiness(service)
        status = HTTPStatus.SERVICE_UNAVAILABLE if state.status == "starting" else HTTPStatus.OK
        return json_answer(state, status)

    @routes.get("/metrics", summary="Prometheus metrics, text format", response_class=Response, **answers_text(METRICS))
    async def metrics() -> Response:
        return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    return routes
