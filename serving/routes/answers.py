"""JSON out."""

from typing import Any, Final

import msgspec
from starlette.responses import Response

JSON: Final = "application/json"
_encoder: Final = msgspec.json.Encoder()


def json_answer(body: Any, status: int = 200) -> Response:
    return Response(_encoder.encode(body), status, media_type=JSON)
