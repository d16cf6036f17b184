"""Errors as HTTP shows them: RFC 9457 problem documents, built from the table in ``feature_repo/errors.py``."""

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from feature_repo.errors import BadInput, ShopfloorError, TryLater
from ingestion.contracts.rejection import FieldError, shown

MEDIA_TYPE: Final = "application/problem+json"


class ProblemError(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(frozen=True)

    field: str
    value: str | None = None
    reason: str


class Problem(BaseModel):
    """An error answer, RFC 9457. Further members depend on the error."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    type: str
    """Same for the same kind of error: ``urn:shopfloor:problem:bad-input``."""
    title: str
    status: int
    detail: str
    """What was wrong, where, and how to mend it."""
    instance: str
    """The path that was asked for."""
    errors: tuple[ProblemError, ...] = ()


def problem(
    request: Request,
    status: int,
    title: str,
    detail: str,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    document = {
        "type": f"urn:shopfloor:problem:{title.lower().replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        **(members or {}),
    }
    body = msgspec.json.encode(document, enc_hook=str)
    return Response(body, status, headers, media_type=MEDIA_TYPE)


def from_error(request: Request, error: ShopfloorError) -> Response:
    headers = {"retry-after": str(math.ceil(error.retry_after))} if isinstance(error, TryLater) else None
    return problem(request, error.status, error.title, str(error), error.details, headers)


def bad_request(error: ValidationError | RequestValidationError) -> BadInput:
    """Pydantic's errors as one BadInput that names every field."""
    errors = [
        FieldError(
            field=str(e.get("ctx", {}).get("field") or _path(e["loc"]) or "(body)"),
            value=None if e["type"].startswith("missing") else shown(e.get("input")),
            reason=e["msg"].removeprefix("Value error, "),
        )
        for e in error.errors()
    ]
    first = errors[0]
    return BadInput(f"{first.field}: {first.reason}", errors=errors)


def _path(location: Sequence[int | str]) -> str:
    """``limit`` rather than FastAPI's ``query.limit``: the caller knows where they put it."""
    return ".".join(str(part) for part in location if part not in ("query", "path", "body"))


def install(app: FastAPI) -> None:
    """Every error of the application leaves as a problem document."""
    handlers: tuple[tuple[type[Exception], Any], ...] = (
        (ShopfloorError, _expected),
        (HTTPException, _http),
        (RequestValidationError, _invalid),
        (Exception, _unexpected),
    )
    for error, handler in handlers:
        app.add_exception_handler(error, handler)


async def _expected(request: Request, error: ShopfloorError) -> Response:
    return from_error(request, error)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    return from_error(request, bad_request(error))


async def _http(request: Request, error: HTTPException) -> Response:
    status = error.status_code
    headers = dict(error.headers or {})
    detail = {
        404: f"there is nothing at {request.url.path}; /docs lists every path",
        405: f"{request.method} is not answered at {request.url.path}; allowed: {headers.get('Allow', 'see /docs')}",
    }.get(status, str(error.detail))
    return problem(request, status, HTTPStatus(status).phrase.capitalize(), detail, headers=headers)


async def _unexpected(request: Request, error: Exception) -> Response:
    detail = f"the service failed on this request ({type(error).__name__}); its log has the trace"
    return problem(request, 500, "Internal error", detail)
