"""Who may ask: everyone on loopback, elsewhere only who holds one of the service's keys."""

import hmac
import ipaddress
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from feature_repo.errors import Misconfigured
from serving.problem import problem

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})


def check_binding(host: str, keys: Sequence[str]) -> None:
    """Misconfigured when the service would be open to a network without a key."""
    if not any(keys) and not _is_loopback(host):
        raise Misconfigured(
            f"host {host} is reachable from other machines and no API key is set; "
            "set SHOPFLOOR_KEYS (comma separated), or keep host 127.0.0.1"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RequireKey:
    """ASGI middleware: ``Authorization: Bearer <key>`` on every path but the probes."""

    def __init__(self, app: ASGIApp, keys: Sequence[str]) -> None:
        self.app = app
        self._keys = [key.encode() for key in keys if key]  # an empty one would let in who sends none

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._knows(scope):
            await self.app(scope, receive, send)
            return
        detail = "send Authorization: Bearer <key> with one of the keys in the service's settings"
        challenge = {"www-authenticate": 'Bearer realm="shopfloor"'}
        answer = problem(Request(scope), 401, "Unauthorized", detail, headers=challenge)
        await answer(scope, receive, send)

    def _knows(self, scope: Scope) -> bool:
        header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        scheme, _, given = header.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        # Every key is compared, each in constant time, so that timing tells nothing about any of them.
        matches = [hmac.compare_digest(given.strip(), key) for key in self._keys]
        return any(matches)
