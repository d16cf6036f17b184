"""MLflow's client, opened late and quietly: the import takes seconds, which only commands that need it should pay.

As a program (``python -m training.mlflow_client URI MODEL VERSION FOLDER``) it downloads a version's bundle, so that
a serving process can have it done by a child and stay free of MLflow itself.
"""

import os
import sys
from functools import lru_cache
from typing import Any, Final

BUNDLE: Final = "bundle"
QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}


@lru_cache(maxsize=4)
def open_client(tracking_uri: str) -> Any:
    """The ``MlflowClient`` of an address; its SQLite tables are made on first use."""
    os.environ.update(QUIET)
    import logging

    from mlflow.tracking import MlflowClient

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return MlflowClient(tracking_uri, registry_uri=tracking_uri)


def absent(error: Exception) -> bool:
    """Whether MLflow says that what was asked for does not exist."""
    return getattr(error, "error_code", "") in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


def exists_already(error: Exception) -> bool:
    return getattr(error, "error_code", "") == "RESOURCE_ALREADY_EXISTS"


def download(tracking_uri: str, model: str, version: str, folder: str) -> None:
    """Copy the bundle of a version below ``folder``."""
    client = open_client(tracking_uri)
    import mlflow.artifacts

    source = client.get_model_version_download_uri(model, version).rstrip("/")
    mlflow.artifacts.download_artifacts(
        artifact_uri=f"{source}/artifacts/{BUNDLE}", dst_path=folder, tracking_uri=tracking_uri
    )


if __name__ == "__main__":
    download(*sys.argv[1:5])
