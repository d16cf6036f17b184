"""Feast's online rows, read through Feast itself: slower, but right for a release whose layout we do not know."""

import asyncio
import threading
from collections.abc import Sequence

from feast import RepoConfig
from feast.infra.provider import get_provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey

from feature_repo.definitions import Definitions
from feature_repo.errors import Misconfigured
from feature_repo.layout import View, value_class


class FeastRows:
    """Reads what any release of Feast stored; erasing needs a layout that we know."""

    def __init__(self, config: RepoConfig, objects: Definitions) -> None:
        self._config = config
        self._views = objects.views
        self._provider = get_provider(config)
        self._lock = threading.Lock()  # Feast's stores are not for sharing between threads

    def read(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        """For each view and entity the features' bytes by name; empty where there is no row."""
        with self._lock:
            return [self._row(view, key) for view, key in wanted]

    async def read_async(self, wanted: Sequence[tuple[View, str]]) -> list[dict[str, bytes]]:
        return await asyncio.to_thread(self.read, wanted)

    def stored_times(self, view: View, keys: Sequence[str]) -> dict[str, int]:
        """The time of each stored row, microseconds since 1970 UTC."""
        with self._lock:
            found = self._provider.online_read(
                self._config, self._views[view.name], [_entity(view, key) for key in keys]
            )
        return {key: round(time.timestamp() * 1_000_000) for key, (time, _) in zip(keys, found, strict=True) if time}

    def erase(self, join_key: str, keys: Sequence[str]) -> None:
        raise Misconfigured(
            "this release of Feast stores rows in a way we do not know how to erase; install feast 0.67.0"
        )

    def check(self) -> str:
        return f"Feast's {self._config.online_store.type} store, read through Feast because its layout is not known"

    async def close(self) -> None:
        """Feast closes its connections with the process."""

    def _row(self, view: View, key: str) -> dict[str, bytes]:
        found = self._provider.online_read(
            self._config, self._views[view.name], [_entity(view, key)], list(view.features)
        )
        values = found[0][1] or {}
        return {name: value.SerializeToString() for name, value in values.items() if value.WhichOneof("val")}


def _entity(view: View, key: str) -> EntityKey:
    return EntityKey(join_keys=[view.join_key], entity_values=[value_class()(string_val=key)])
