"""The two questions serving asks the registry every second, without importing MLflow (110 MB and seconds of start).

An MLflow server is asked over its REST API. The embedded SQLite store is read through MLflow's own tables, which
takes a tenth of a millisecond; a test holds both equal to what MLflow's client answers.
"""

import os
import sqlite3
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

import httpx

from feature_repo.errors import TryLater

SQLITE: Final = "sqlite:///"
TIMEOUT_SECONDS: Final = 5.0


class RegistryReader(Protocol):
    def version_of(self, model: str, alias: str) -> str | None:
        """The version an alias stands for; None where there is none; TryLater when the registry does not answer."""
        ...

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        """A version's tags; None when there is no such version."""
        ...


def registry_reader(tracking_uri: str) -> RegistryReader:
    """The cheapest reader for an address: a SQLite file, an MLflow server, or whatever else MLflow can open."""
    if tracking_uri.startswith(SQLITE):
        return SqliteReader(Path(tracking_uri.removeprefix(SQLITE)))
    if tracking_uri.startswith(("http://", "https://")):
        return RestReader(tracking_uri)
    return MlflowReader(tracking_uri)


class SqliteReader:
    def __init__(self, path: Path) -> None:
        self._path = path

    def version_of(self, model: str, alias: str) -> str | None:
        question = "SELECT version, alias FROM registered_model_aliases WHERE name = ? AND alias = ?"
        rows = self._rows(question, model, alias)
        return str(rows[0][0]) if rows else None

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        # MLflow keeps the row of a deleted version and marks it by its stage.
        ready = (
            "SELECT name, version FROM model_versions WHERE name = ? AND version = ? AND status = 'READY' "
            "AND current_stage != 'Deleted_Internal'"
        )
        if not version.isdecimal() or not self._rows(ready, model, version):
            return None
        return dict(
            self._rows("SELECT key, value FROM model_version_tags WHERE name = ? AND version = ?", model, version)
        )

    def _rows(self, question: str, *values: str) -> list[tuple[str, str]]:
        if not self._path.exists():
            return []
        try:
            connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=TIMEOUT_SECONDS)
            try:
                return connection.execute(question, values).fetchall()
            finally:
                connection.close()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # MLflow is just creating its tables: nothing is registered yet
            raise TryLater(f"the model registry {self._path} does not answer: {error}") from error
        except sqlite3.DatabaseError as error:
            raise TryLater(f"the model registry {self._path} cannot be read: {error}") from error


class RestReader:
    """Opens a connection for each question, so that there is none to close; only the TLS context is kept."""

    def __init__(self, address: str) -> None:
        token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
        self._address = address.rstrip("/")
        self._tls = ssl.create_default_context()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._login = (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")) if user and not token else None

    def version_of(self, model: str, alias: str) -> str | None:
        answer = self._get("registered-models/alias", name=model, alias=alias)
        return None if answer is None else str(answer["model_version"]["version"])

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        answer = self._get("model-versions/get", name=model, version=version)
        if answer is None:
            return None
        return {tag["key"]: tag.get("value", "") for tag in answer["model_version"].get("tags", [])}

    def _get(self, path: str, **params: str) -> dict[str, dict[str, list[dict[str, str]]]] | None:
        try:
            response = httpx.get(
                f"{self._address}/api/2.0/mlflow/{path}",
                params=params,
                headers=self._headers,
                auth=self._login,
                verify=self._tls,
                timeout=TIMEOUT_SECONDS,
            )
            if response.status_code in (400, 404):  # MLflow answers 400 for an alias or version that is not there
                return None
            response.raise_for_status()
            return response.json()  # type: ignore[no-any-return]
        except (httpx.HTTPError, ValueError) as error:
            raise TryLater(f"the model registry at {httpx.URL(self._address).host} does not answer: {error}") from error


class MlflowReader:
    def __init__(self, tracking_uri: str) -> None:
        self._tracking_uri = tracking_uri

    def version_of(self, model: str, alias: str) -> str | None:
        from training.mlflow_client import absent, open_client

        try:
            return str(open_client(self._tracking_uri).get_model_version_by_alias(model, alias).version)
        except Exception as error:
            if absent(error):
                return None
            raise TryLater(f"the model registry does not answer: {error}") from error

    def tags(self, model: str, version: str) -> Mapping[str, str] | None:
        from training.mlflow_client import absent, open_client

        try:
            return dict(open_client(self._tracking_uri).get_model_version(model, version).tags)
        except Exception as error:
            if absent(error):
                return None
            raise TryLater(f"the model registry does not answer: {error}") from error
