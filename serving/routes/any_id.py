"""Ids in paths: ``/v1/users/{user_id:id}``. The contract allows any character in an id, slashes and new lines too."""

from typing import Final

from starlette.convertors import CONVERTOR_TYPES, StringConvertor, register_url_convertor
from starlette.requests import Request

NAME: Final = "id"


class AnyId(StringConvertor):
    """Starlette's ``path`` would match no new line, and so take ``a`` for the id of ``/v1/users/a%0A``."""

    regex = r"[\s\S]+"

    def to_string(self, value: str) -> str:
        return value


def allow_any_id() -> None:
    """Let the routes that are made from now on say ``{name:id}``."""
    if NAME not in CONVERTOR_TYPES:
        register_url_convertor(NAME, AnyId())


def spelled_out(request: Request, ending: str) -> bool:
    """Whether the path, as it was sent, ends so; an id that holds the same characters has its slash as ``%2F``."""
    sent: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    return sent.partition(b"?")[0].endswith(ending.encode())
