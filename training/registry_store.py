"""The registry's aliases and tags, without importing MLflow (110 MB and seconds of start).

Serving asks for an alias every second, and a rollback must not wait for an import. An MLflow server is spoken to over
its REST API. The embedded SQLite store is read and written through MLflow's own tables, each change one transaction
like MLflow's own; a test holds what MLflow's client sees equal to what is written here.
"""

import os
import sqlite3
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from feature_repo.errors import Corrupt, NotFound, ShopfloorError, TryLater

SQLITE: Final = "sqlite:///"
TIMEOUT_SECONDS: Final = 5.0
DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

T = TypeVar("T")


class RegistryStore(Protocol):
    """Every call raises TryLater when the registry does not answer, and Corrupt when its file is damaged; writing
    raises NotFound for what is not there.
    """

    def version_of(self, model: str, alias: str) -> str | None:
        """The version an alias stands for; None where there is none."""
        ...

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        """A version's tags; None when there is no such version."""
        ...

    def model_tags(self, model: str) -> Mapping[str, str]:
        """The tags of the model itself; none where there is no such model yet."""
        ...

    def folder_of(self, model: str, version: str) -> Path | None:
        """Where this machine has the version's files; None when they have to be downloaded."""
        ...

    def set_alias(self, model: str, alias: str, version: str) -> None: ...

    def set_model_tag(self, model: str, key: str, value: str) -> None: ...

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None: ...


def registry_store(tracking_uri: str) -> RegistryStore:
    """The cheapest way to an address: a SQLite file, an MLflow server, or whatever else MLflow can open."""
    if tracking_uri.startswith(SQLITE):
        return SqliteStore(Path(tracking_uri.removeprefix(SQLITE)))
    if tracking_uri.startswith(("http://", "https://")):
        return RestStore(tracking_uri)
    return MlflowStore(tracking_uri)


# MLflow keeps the row of a deleted version and marks it by its stage.
_READY: Final = (
    "FROM model_versions WHERE name = ? AND version = ? AND status = 'READY' AND current_stage != 'Deleted_Internal'"
)


class SqliteStore:
    def __init__(self, path: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._path = path
        self._timeout_seconds = timeout_seconds

    def version_of(self, model: str, alias: str) -> str | None:
        question = "SELECT version, alias FROM registered_model_aliases WHERE name = ? AND alias = ?"
        rows = self._rows(question, model, alias)
        return str(rows[0][0]) if rows else None

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        if not version.isdecimal() or not self._rows(f"SELECT name, version {_READY}", model, version):
            return None
        return dict(
            self._rows("SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", model, version)
        )

    def model_tags(self, model: str) -> Mapping[str, str]:
        return dict(self._rows("SELECT key, value FROM registered_model_tags WHERE name = ?", model))

    def folder_of(self, model: str, version: str) -> Path | None:
        rows = self._rows(f"SELECT coalesce(storage_location, source), name {_READY}", model, version)
        address = urlsplit(rows[0][0] or "") if rows else urlsplit("")
        return Path(unquote(address.path)) if address.scheme == "file" else None

    def set_alias(self, model: str, alias: str, version: str) -> None:
        change = "INSERT OR REPLACE INTO registered_model_aliases (name, alias, version) VALUES (?, ?, ?)"
        self._write(f"SELECT name {_READY}", (model, version), change, (model, alias, int(version)))

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        change = "INSERT OR REPLACE INTO registered_model_tags (name, key, value) VALUES (?, ?, ?)"
        self._write("SELECT name FROM registered_models WHERE name = ?", (model,), change, (model, key, value))

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        change = "INSERT OR REPLACE INTO model_version_tags (name, version, key, value) VALUES (?, ?, ?, ?)"
        self._write(f"SELECT name {_READY}", (model, version), change, (model, int(version), key, value))

    def _rows(self, question: str, *values: str) -> list[tuple[str, str]]:
        if not self._path.exists():
            return []
        try:
            with closing(self._connected("ro")) as connection:
                return connection.execute(question, values).fetchall()
        except sqlite3.DatabaseError as error:
            if "no such table" in str(error):
                return []  # MLflow is just creating its tables: nothing is registered yet
            raise self._told(error, "read") from error

    def _write(self, owner: str, owned_by: tuple[str, ...], change: str, values: tuple[str | int, ...]) -> None:
        """One change, if what it belongs to exists; the write lock is held over both."""
        try:
            with closing(self._connected("rw")) as connection, connection:
                connection.execute("BEGIN IMMEDIATE")
                if connection.execute(owner, owned_by).fetchone() is None:
                    raise NotFound(f"the model registry {self._path} has no {' '.join(owned_by)}")
                connection.execute(change, values)
        except sqlite3.DatabaseError as error:
            raise self._told(error, "written") from error

    def _told(self, error: sqlite3.DatabaseError, done: str) -> ShopfloorError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            return Corrupt(
                f"the model registry {self._path} is no readable SQLite file ({error}); restore it from a copy, or "
                "move it away and run shopfloor train, which begins a new one"
            )
        return TryLater(f"the model registry {self._path} cannot be {done} now: {error}")

    def _connected(self, mode: str) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=self._timeout_seconds, isolation_level=None)


class RestStore:
    """Opens a connection for each question, so that there is none to close; only the TLS context is kept."""

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
        self._address = address.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._tls = ssl.create_default_context()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._login = (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user and not token else None

    def version_of(self, model: str, alias: str) -> str | None:
        answer = self._call("GET", "registered-models/alias", name=model, alias=alias)
        return None if answer is None else str(answer["model_version"]["version"])

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        answer = self._call("GET", "model-versions/get", name=model, version=version)
        return None if answer is None else _named(answer["model_version"].get("tags", []))

    def model_tags(self, model: str) -> Mapping[str, str]:
        answer = self._call("GET", "registered-models/get", name=model)
        return {} if answer is None else _named(answer["registered_model"].get("tags", []))

    def folder_of(self, model: str, version: str) -> Path | None:
        return None

    def set_alias(self, model: str, alias: str, version: str) -> None:
        self._change("registered-models/alias", name=model, alias=alias, version=version)

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._change("registered-models/set-tag", name=model, key=key, value=value)

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        self._change("model-versions/set-tag", name=model, version=version, key=key, value=value)

    def _change(self, path: str, **values: str) -> None:
        if self._call("POST", path, **values) is None:
            raise NotFound(f"the model registry has no {values['name']} {values.get('version', '')}".rstrip())

    def _call(self, method: str, path: str, **values: str) -> dict[str, Any] | None:
        try:
            response = httpx.request(
                method,
                f"{self._address}/api/2.0/mlflow/{path}",
                params=values if method == "GET" else None,
                json=None if method == "GET" else values,
                headers=self._headers,
                auth=self._login,
                verify=self._tls,
                timeout=self._timeout_seconds,
            )
            if response.status_code in (400, 404):  # MLflow answers 400 for an alias or version that is not there
                return None
            response.raise_for_status()
            return response.json()  # type: ignore[no-any-return]
        except (httpx.HTTPError, ValueError) as error:
            raise TryLater(f"the model registry at {httpx.URL(self._address).host} does not answer: {error}") from error


def _named(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in tags}


class MlflowStore:
    def __init__(self, tracking_uri: str) -> None:
        self._tracking_uri = tracking_uri

    def version_of(self, model: str, alias: str) -> str | None:
        return self._asked(lambda client: str(client.get_model_version_by_alias(model, alias).version))

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        return self._asked(lambda client: dict(client.get_model_version(model, version).tags))

    def model_tags(self, model: str) -> Mapping[str, str]:
        return self._asked(lambda client: dict(client.get_registered_model(model).tags)) or {}

    def folder_of(self, model: str, version: str) -> Path | None:
        return None

    def set_alias(self, model: str, alias: str, version: str) -> None:
        self._changed(lambda client: client.set_registered_model_alias(model, alias, version))

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._changed(lambda client: client.set_registered_model_tag(model, key, value))

    def set_version_tag(self, model: str, version: str, key: str, value: str) -> None:
        self._changed(lambda client: client.set_model_version_tag(model, version, key, value))

    def _changed(self, change: Callable[[Any], object]) -> None:
        if self._asked(lambda client: change(client) or True) is None:
            raise NotFound("the model registry does not have what was to be changed")

    def _asked(self, question: Callable[[Any], T]) -> T | None:
        from training.mlflow_client import absent, open_client

        try:
            return question(open_client(self._tracking_uri))
        except Exception as error:
            if absent(error):
                return None
            raise TryLater(f"the model registry does not answer: {error}") from error
