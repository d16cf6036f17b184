"""The OpenAPI document: FastAPI's own, with the plain routes and every body added from the same definitions."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from serving.bodies import Erased, EventBatch, Health, ProductBatch, TaxonomyBody, UserFeatures
from serving.examples import EXAMPLES
from serving.intake import EventReceipt, ProductReceipt, TaxonomyReceipt
from serving.placements import PLACEMENTS
from serving.problem import MEDIA_TYPE, Problem
from serving.question import Answer, Filters, Question
from serving.readiness import Readiness

TEMPLATE: Final = "#/components/schemas/{name}"
PYDANTIC_TEMPLATE: Final = "#/components/schemas/{model}"
BODIES: Final = (EventBatch, ProductBatch, TaxonomyBody, Question, Problem)
ANSWERS: Final = (Answer, EventReceipt, ProductReceipt, TaxonomyReceipt, UserFeatures, Erased, Health, Readiness)


def answers(name: str, *statuses: int) -> dict[str, Any]:
    """Arguments of a route: it answers these, 200 where none is given, with the named body, else a problem document."""
    told: dict[int | str, Any] = {
        status: {"description": HTTPStatus(status).phrase, "content": {"application/json": _body(name)}}
        for status in statuses or (HTTPStatus.OK,)
    }
    told["default"] = {"description": "What went wrong", "content": {MEDIA_TYPE: _body("Problem")}}
    return {"status_code": next(iter(told)), "responses": told}


def answers_text(example: str) -> dict[str, Any]:
    """Arguments of a route: it answers 200 with plain text."""
    media = {"schema": {"type": "string"}, "example": example}
    return {"responses": {HTTPStatus.OK: {"description": HTTPStatus.OK.phrase, "content": {"text/plain": media}}}}


def takes(name: str) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads the named body itself."""
    return {"requestBody": {"required": True, "content": {"application/json": _body(name)}}}


def _body(name: str) -> dict[str, Any]:
    return {"schema": _ref(name), "example": EXAMPLES[name]}


def document(app: FastAPI, *, secured: bool) -> None:
    """Make ``app.openapi()`` the whole document."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
            schema["paths"] = _plain_paths() | {path: _cleaned(item) for path, item in schema["paths"].items()}
            schema["components"] = {"schemas": _components()}
            if secured:
                schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"key": []}]
                for probe in ("/healthz", "/readyz"):
                    schema["paths"][probe]["get"]["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents for extending the document


def _plain_paths() -> dict[str, Any]:
    recommend = {"tags": ["recommendations"], **_responses("Answer")}
    return {
        "/v1/events": {
            "post": {
                "tags": ["events"],
                "summary": "Send events",
                "description": "202 once the log has every accepted event durably. A retry with the same event_id "
                "counts once. 400 when none is acceptable, with the same members.",
                "operationId": "post_events",
                **takes("EventBatch"),
                **_responses("EventReceipt", HTTPStatus.ACCEPTED),
            }
        },
        "/v1/recommendations": {
            "post": {
                "summary": "Ask for recommendations",
                "operationId": "post_recommendations",
                **takes("Question"),
                **recommend,
            },
            "get": {
                "summary": "The same with query parameters",
                "operationId": "get_recommendations",
                "parameters": _query_parameters(),
                **recommend,
            },
        },
    }


def _responses(name: str, status: int = HTTPStatus.OK) -> dict[str, Any]:
    return {"responses": {str(code): answer for code, answer in answers(name, status)["responses"].items()}}


def _query_parameters() -> list[dict[str, Any]]:
    parameters = []
    for model in (Question, Filters):
        schema = model.model_json_schema(ref_template=PYDANTIC_TEMPLATE)
        for name, field in schema["properties"].items():
            if name != "filters":
                described = {"description": field.pop("description", "")}
                required = name in schema.get("required", ())
                parameters.append({"name": name, "in": "query", "required": required, "schema": field, **described})
    return parameters


def _components() -> dict[str, Any]:
    _, bodies = models_json_schema(
        [(model, "validation") for model in BODIES], ref_template="#/components/schemas/{model}"
    )
    _, outputs = msgspec.json.schema_components(ANSWERS, ref_template=TEMPLATE)
    schemas: dict[str, Any] = bodies["$defs"] | outputs
    schemas["Question"]["properties"]["placement"]["enum"] = list(PLACEMENTS)
    return schemas


def _cleaned(item: dict[str, Any]) -> dict[str, Any]:
    """Without the 422 that FastAPI announces: validation errors are 400 here, as everywhere."""
    for operation in item.values():
        operation["responses"].pop("422", None)
    return item


def _ref(name: str) -> dict[str, str]:
    return {"$ref": TEMPLATE.format(name=name)}
