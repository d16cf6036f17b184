"""Opens the online features that an address names."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from feature_repo.errors import Misconfigured
from feature_repo.layout import is_known
from feature_repo.online import OnlineFeatures, OnlineRows

if TYPE_CHECKING:
    from feature_repo.store import OnlineWriter


def open_online_features(online_address: str, data: Path, activity_ttl: timedelta | None = None) -> OnlineFeatures:
    """Online features at the path of a SQLite file or at ``redis://host:port[/db]``; ``data`` is the data folder.

    Raises Misconfigured for any other address, TryLater or Corrupt for a file that cannot be opened.
    """

    def writer() -> "OnlineWriter":
        from feature_repo.definitions import definitions
        from feature_repo.store import OnlineWriter, repo_config

        return OnlineWriter(repo_config(online_address, data), definitions(data / "features"))

    rows = _rows(online_address) if is_known() else feast_rows(online_address, data)
    return OnlineFeatures(rows, writer, activity_ttl)


def feast_rows(address: str, data: Path) -> OnlineRows:
    from feature_repo.definitions import definitions
    from feature_repo.online_feast import FeastRows
    from feature_repo.store import repo_config

    return FeastRows(repo_config(address, data), definitions(data / "features"))


def _rows(address: str) -> OnlineRows:
    if address.startswith(("redis://", "rediss://")):
        from feature_repo.online_redis import RedisRows

        return RedisRows(address)
    if "://" in address:
        raise Misconfigured(f"online features: {address} is neither a file's path nor redis://host:port[/db]")
    from feature_repo.online_sqlite import SqliteRows

    return SqliteRows(Path(address))
