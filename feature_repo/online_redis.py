"""Feast's online rows on Redis: the fast reader and the eraser. Writes go through Feast."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast

import redis
import redis.asyncio
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from feature_repo.errors import Misconfigured, TryLater
from feature_repo.layout import View, redis_field, redis_key, redis_time_field

TIMEOUT_S: Final = 1.0
RETRIES: Final = 1  # a connection that the server closed while it was idle


class RedisRows:
    """Rows of Feast's Redis online store; the async calls belong to one event loop."""

    def __init__(self, address: str) -> None:
        self._address = address
        options: dict[str, Any] = {"socket_timeout": TIMEOUT_S, "socket_connect_timeout": TIMEOUT_S}
        try:
            self._sync: Any = redis.Redis.from_url(address, retry=Retry(NoBackoff(), RETRIES), **options)
            self._async: Any = redis.asyncio.Redis.from_url(address, retry=AsyncRetry(NoBackoff(), RETRIES), **options)
        except ValueError as error:
            raise Misconfigured(f"{address} is no Redis address: {error}; use redis://host:port[/db]") from error

    def read(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        """For each view and entity the features' bytes by name; empty where there is no row."""
        with self._reasons(), self._sync.pipeline(transaction=False) as pipeline:
            for view, key in wanted:
                pipeline.hmget(redis_key(view.join_key, key), _fields(view))
            answers = pipeline.execute()
        return [_row(view, values) for (view, _), values in zip(wanted, answers, strict=True)]

    async def read_async(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        """The same without blocking; all views of one entity are one command."""
        by_entity: dict[bytes, list[View]] = {}
        for view, key in wanted:
            by_entity.setdefault(redis_key(view.join_key, key), []).append(view)
        commands = [(entity, [f for view in views for f in _fields(view)]) for entity, views in by_entity.items()]
        with self._reasons():
            if len(commands) == 1:
                answers = [await self._async.hmget(*commands[0])]
            else:
                async with self._async.pipeline(transaction=False) as pipeline:
                    for entity, fields in commands:
                        pipeline.hmget(entity, fields)
                    answers = await pipeline.execute()
        rows: dict[tuple[bytes, str], dict[str, bytes]] = {}
        for (entity, views), values in zip(by_entity.items(), answers, strict=True):
            start = 0
            for view in views:
                rows[entity, view.name] = _row(view, values[start : start + len(view.features)])
                start += len(view.features)
        return [rows[redis_key(view.join_key, key), view.name] for view, key in wanted]

    def stored_times(self, view: View, keys: Sequence[str]) -> dict[str, int]:
        """The time of each stored row, microseconds since 1970 UTC: Feast drops a write that is not newer."""
        with self._reasons(), self._sync.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hget(redis_key(view.join_key, key), redis_time_field(view))
            answers = pipeline.execute()
        return {key: _microseconds(raw) for key, raw in zip(keys, answers, strict=True) if raw is not None}

    def erase(self, join_key: str, keys: Sequence[str]) -> None:
        """Delete the entities' hashes, with all views in them. Redis frees the bytes; its own dumps follow later."""
        if keys:
            with self._reasons():
                self._sync.delete(*(redis_key(join_key, key) for key in keys))

    def check(self) -> str:
        with self._reasons():
            self._sync.ping()
        return f"Redis at {_without_password(self._address)}"

    async def close(self) -> None:
        self._sync.close()
        await self._async.aclose()

    @contextmanager
    def _reasons(self) -> Iterator[None]:
        """Redis' errors in the words of ours."""
        try:
            yield
        except redis.AuthenticationError as error:
            where = _without_password(self._address)
            raise Misconfigured(f"{where} refuses user or password ({error}); mend the address") from error
        except (redis.RedisError, OSError) as error:
            where = _without_password(self._address)
            raise TryLater(f"online features at {where} cannot be reached now: {error}") from error


def _fields(view: View) -> list[bytes]:
    return [redis_field(view.name, feature) for feature in view.features]


def _row(view: View, values: Sequence[bytes | None]) -> dict[str, bytes]:
    return {name: value for name, value in zip(view.features, values, strict=True) if value is not None}


def _microseconds(raw: bytes) -> int:
    return cast(int, Timestamp.FromString(raw).ToMicroseconds())


def _without_password(address: str) -> str:
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"
