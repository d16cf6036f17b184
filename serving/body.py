"""JSON bodies in: never more than the limit, the position of what is malformed, the field of what does not fit."""

from typing import TypeVar

import msgspec
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feature_repo.errors import BadInput, TooLarge
from serving.problem import bad_request

M = TypeVar("M", bound=BaseModel)


class LimitBody:
    """ASGI middleware: TooLarge as soon as more than ``limit`` bytes came, whatever Content-Length promised."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] == "GET":
            await self.app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise TooLarge(f"the body is over the limit of {self._limit:,} bytes; send fewer records at once")
            return message

        await self.app(scope, counted, send)


async def read_model(request: Request, model: type[M]) -> M:
    """The body as ``model``; BadInput when it is no JSON or does not fit."""
    raw = await request.body()
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            raise malformed(raw, str(error.errors()[0]["msg"])) from error
        raise bad_request(error) from error


async def read_records(request: Request, field: str) -> list[msgspec.Raw]:
    """The records of ``{field: […]}``, each still raw, so that a bad one does not spoil its neighbours."""
    raw = await request.body()
    try:
        document = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        records = msgspec.json.decode(document.pop(field), type=list[msgspec.Raw])
    except KeyError:
        raise _no_records(field, f'has no "{field}"') from None
    except msgspec.ValidationError as error:
        raise _no_records(field, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise malformed(raw, str(error)) from error
    if document:
        raise _no_records(field, f"unknown fields {', '.join(sorted(document))}")
    if not records:
        raise _no_records(field, f'"{field}" is empty')
    return records


def malformed(raw: bytes, reason: str) -> BadInput:
    """What is wrong with the JSON and where: byte, line and column, counted from 1 for line and column."""
    if not raw:
        return BadInput("the body is empty; send a JSON object with content-type application/json")
    try:
        from_json(raw)
    except ValueError as error:
        reason = str(error)
    return BadInput(f"the body is not valid JSON: {reason}", errors=[{"field": "(body)", "reason": reason}])


def _no_records(field: str, found: str) -> BadInput:
    expected = f'the body must be {{"{field}": [ … ]}} with at least one record'
    return BadInput(f"{expected}: {found}", errors=[{"field": field, "value": None, "reason": found}])
