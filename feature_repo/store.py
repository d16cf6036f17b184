"""Feast as this program uses it: its configuration built in Python, and the writer of online rows."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from feast import FeatureStore, RepoConfig
from feast.infra.provider import get_provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from feature_repo.definitions import Definitions, definitions
from feature_repo.errors import Misconfigured
from feature_repo.layout import KEY_VERSION, PROJECT, View, encoded, value_class

REDIS_SCHEMES: Final = ("redis", "rediss")
REDIS_PORT: Final = 6379
TIMEOUT_S: Final = 2.0
"""How long one call to Redis may take before it counts as away."""
WRITE_BATCH: Final = 5000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def repo_config(online_address: str, data: Path) -> RepoConfig:
    """Feast over SQLite (a file's path) or Redis (``redis://…``), with registry and feature tables below ``data``.

    Raises Misconfigured for any other address.
    """
    return RepoConfig(
        project=PROJECT,
        provider="local",
        registry={"registry_type": "file", "path": str(data / "registry.db"), "cache_ttl_seconds": 60},
        online_store=_online_store(online_address),
        offline_store={"type": "duckdb"},
        materialization={"online_write_batch_size": WRITE_BATCH},
        entity_key_serialization_version=KEY_VERSION,
    )


def open_store(online_address: str, data: Path) -> tuple[FeatureStore, Definitions]:
    """Feast and the objects to apply to it. One store for each thread: Feast's stores are not for sharing."""
    data.mkdir(parents=True, exist_ok=True)
    return FeatureStore(config=repo_config(online_address, data)), definitions(data / "features")


def _online_store(address: str) -> dict[str, Any]:
    scheme = address.split("://", 1)[0] if "://" in address else ""
    if scheme in REDIS_SCHEMES:
        return {"type": "redis", "connection_string": _connection_string(urlsplit(address))}
    if scheme:
        raise Misconfigured(
            f"online features cannot be kept at {address}; give the path of a SQLite file or redis://host:port[/db]"
        )
    return {"type": "sqlite", "path": str(Path(address).absolute())}


def _connection_string(url: SplitResult) -> str:
    """Feast's form of a Redis address: ``host:port,name=value,…``, the values in JSON."""
    options: dict[str, Any] = {
        "db": int(url.path.strip("/") or 0),
        "socket_timeout": TIMEOUT_S,
        "socket_connect_timeout": TIMEOUT_S,
    }
    if url.scheme == "rediss":
        options["ssl"] = True
    for name, part in (("username", url.username), ("password", url.password)):
        if part is not None:
            options[name] = unquote(part)
    if any("," in str(value) for value in options.values()):
        raise Misconfigured("Feast cannot take a Redis user or password with a comma in it; choose another one")
    pairs = ",".join(f"{name}={json.dumps(value)}" for name, value in options.items())
    return f"{url.hostname}:{url.port or REDIS_PORT},{pairs}"


@dataclass(frozen=True, slots=True)
class OnlineRow:
    """One entity's row of a view; ``time_us`` is microseconds since 1970 UTC."""

    key: str
    features: Mapping[str, Any]
    time_us: int


class OnlineWriter:
    """Writes rows through Feast's provider, a tenth of what a push costs. Not for use by two threads at once."""

    def __init__(self, config: RepoConfig, objects: Definitions) -> None:
        self._config = config
        self._views = objects.views
        self._provider = get_provider(config)
        if config.online_store.type == "sqlite":
            self._prepare_sqlite(config, objects)

    def write(self, view: View, rows: Sequence[OnlineRow], progress: Callable[[int], Any] | None = None) -> None:
        """Redis drops a row that is not newer than the stored one; SQLite lets the last one win."""
        kinds = view.features
        data = [
            (
                EntityKey(join_keys=[view.join_key], entity_values=[value_class()(string_val=row.key)]),
                {name: encoded(kinds[name], feature) for name, feature in row.features.items()},
                EPOCH + timedelta(microseconds=row.time_us),
                None,
            )
            for row in rows
        ]
        self._provider.online_write_batch(self._config, self._views[view.name], data, progress)

    def _prepare_sqlite(self, config: RepoConfig, objects: Definitions) -> None:
        """Make the tables, so that rows can be written before any ``feast apply``; zero overwritten bytes."""
        Path(config.online_store.path).parent.mkdir(parents=True, exist_ok=True)
        connection = self._provider.online_store._get_conn(config)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA secure_delete=ON")
        views, entities = list(objects.views.values()), list(objects.entities)
        self._provider.online_store.update(config, [], views, [], entities, partial=True)
        connection.commit()

    def close(self) -> None:
        """Close the connection that Feast keeps open."""
        store = self._provider.online_store
        for name in ("_conn", "_client"):
            connection = getattr(store, name, None)
            if connection is not None:
                connection.close()
                setattr(store, name, None)
