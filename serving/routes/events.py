"""``POST /v1/events``."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.body import read_records
from serving.problem import problem
from serving.routes.answers import json_answer
from serving.service import Service


def routes(service: Service) -> list[Route]:
    async def post_events(request: Request) -> Response:
        receipt = await service.events.take(await read_records(request, "events"))
        if receipt.accepted or receipt.duplicates:
            return json_answer(receipt, HTTPStatus.ACCEPTED)
        detail = f"none of the {len(receipt.rejected)} events fits the contract; see rejected for field and reason"
        members = {"accepted": 0, "duplicates": 0, "rejected": receipt.rejected}
        return problem(request, HTTPStatus.BAD_REQUEST, "Bad input", detail, members)

    return [Route("/v1/events", post_events, methods=["POST"])]
