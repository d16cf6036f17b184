"""``POST /v1/recommendations``, and ``GET`` with the same fields as query parameters."""

from typing import Any, Final

from pydantic import ValidationError
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.body import read_model
from serving.problem import bad_request
from serving.question import Filters, Question
from serving.routes.answers import json_answer
from serving.service import Service

LISTS: Final = frozenset({"item_ids", "recent_item_ids"})


def routes(service: Service) -> list[Route]:
    async def recommendations(request: Request) -> Response:
        if request.method == "POST":
            question = await read_model(request, Question)
        else:
            question = question_of(request.query_params)
        return json_answer(await service.recommender.recommend(question))

    return [Route("/v1/recommendations", recommendations, methods=["POST", "GET"])]


def question_of(query: QueryParams) -> Question:
    """The question in query parameters; lists repeat theirs, filters stand beside the other fields."""
    fields: dict[str, Any] = {}
    filters: dict[str, Any] = {}
    for name in query:
        if name in Filters.model_fields:
            filters[name] = query.getlist(name)
        else:
            fields[name] = query.getlist(name) if name in LISTS else query[name]
    try:
        return Question.model_validate(fields | {"filters": filters})
    except ValidationError as error:
        raise bad_request(error) from error
