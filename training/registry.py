"""The registry of model versions in MLflow: every training is a run, every version a proper MLflow model.

Two aliases say which version is what: ``champion`` answers customers, ``challenger`` waits. Registering is the last
step of a training, so that one that was killed leaves at most an unfinished run and files that no version names.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from feature_repo.errors import BadInput, Conflict, Corrupt, NotFound, TryLater
from training.bundle import MANIFEST, Manifest, checksum, verified_manifest
from training.mlflow_client import BUNDLE, exists_already, open_client
from training.registry_reader import registry_reader

MODEL: Final = "shopfloor"
CHAMPION: Final = "champion"
CHALLENGER: Final = "challenger"
MANIFEST_TAG: Final = "shopfloor.manifest_sha256"
CHAMPIONS_TAG: Final = "shopfloor.champions"
KEPT_CHAMPIONS: Final = 30


@dataclass(frozen=True, slots=True)
class Promotion:
    """One line of the champions' history, oldest first."""

    version: str
    at: str
    """RFC 3339, UTC."""
    why: str


class ModelRegistry:
    """``cache`` keeps downloaded, verified bundles; ``artifacts`` is where a database store puts its files."""

    def __init__(
        self,
        tracking_uri: str,
        cache: Path,
        artifacts: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._uri = tracking_uri
        self._cache = cache
        self._artifacts = artifacts
        self._clock = clock
        self._reader = registry_reader(tracking_uri)

    def version_of(self, alias: str) -> str | None:
        """The version an alias stands for, None where there is none; cheap enough to ask every second."""
        return self._reader.version_of(MODEL, alias)

    def register(
        self,
        folder: Path,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        figures: Mapping[str, Any] | None = None,
    ) -> str:
        """Log a run with the bundle in ``folder`` as its model, and register that model as a new version.

        ``figures`` maps file names to matplotlib figures. Metric names may hold letters, digits and ``_-. /``.
        """
        verified_manifest(folder)
        client = self._client()
        experiment = self._experiment(client)
        run = client.create_run(experiment, run_name=f"train {self._clock():%Y-%m-%d %H:%M}").info.run_id
        try:
            for name, value in params.items():
                client.log_param(run, name, value)
            for name, number in metrics.items():
                client.log_metric(run, name, number)
            for name, figure in (figures or {}).items():
                client.log_figure(run, figure, name)
            model_id, source = _log_model(client, experiment, run, folder)
        except BaseException:
            client.set_terminated(run, "FAILED")
            raise
        client.set_terminated(run, "FINISHED")
        with _unless(exists_already):
            client.create_registered_model(MODEL)
        version = client.create_model_version(
            MODEL, source, run, model_id=model_id, tags={MANIFEST_TAG: checksum(folder / MANIFEST)}
        )
        return str(version.version)

    def challenge(self, version: str) -> None:
        """Make a version the challenger."""
        self._require(version)
        self._client().set_registered_model_alias(MODEL, CHALLENGER, version)

    def promote(self, version: str, why: str = "") -> None:
        """Make a version the champion and remember it; the one before stays for ``rollback``."""
        self._require(version)
        history = self.champions()
        client = self._client()
        # The alias first: should we die in between, the history is mended from it.
        client.set_registered_model_alias(MODEL, CHAMPION, version)
        if not history or history[-1].version != version or why:
            self._remember([*history, self._promotion(version, why)])

    def rollback(self) -> str:
        """Make the champion before the present one champion again, and return it; Conflict when there is none."""
        history = self.champions()
        present = history[-1].version if history else None
        before = list(history)
        while before and (before[-1].version == present or self._reader.tags(MODEL, before[-1].version) is None):
            before.pop()
        if not before:
            raise Conflict("there is no champion before the present one; promote a version instead", champion=present)
        # The history first: should we die in between, a second rollback starts from the same place.
        self._remember(before)
        self._client().set_registered_model_alias(MODEL, CHAMPION, before[-1].version)
        return before[-1].version

    def champions(self) -> list[Promotion]:
        """The champions up to the present one, oldest first; a champion set by other means is the last entry."""
        champion = self.version_of(CHAMPION)
        if champion is None:
            return []
        tags = self._client().get_registered_model(MODEL).tags
        history = [Promotion(**line) for line in json.loads(tags.get(CHAMPIONS_TAG, "[]"))]
        if not history or history[-1].version != champion:
            history.append(self._promotion(champion, "alias set outside Shopfloor"))
        return history

    def manifest(self, version: str) -> Manifest:
        """What a version is and what it reached."""
        return verified_manifest(self.fetch(version))

    def fetch(self, version: str) -> Path:
        """The version's bundle on this machine, verified; NotFound, Corrupt or TryLater when it cannot be had.

        A folder appears in the cache complete or not at all, so several processes may fetch the same version.
        """
        digest = self._require(version)
        folder = self._cache / f"{version}-{digest[:16]}"
        if folder.exists():
            with contextlib.suppress(Corrupt):
                return _verified(folder, digest)
            shutil.rmtree(folder, ignore_errors=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self._cache) as unfinished:
            self._download(version, Path(unfinished))
            _verified(Path(unfinished, BUNDLE), digest)
            with contextlib.suppress(OSError):  # another process was first; its copy is verified below
                os.rename(Path(unfinished, BUNDLE), folder)
        return _verified(folder, digest)

    def _download(self, version: str, folder: Path) -> None:
        """By a child process, so that this one does not grow by what MLflow imports."""
        command = [sys.executable, "-m", "training.mlflow_client", self._uri, MODEL, version, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise TryLater(f"model version {version} could not be downloaded: {reason[0]}", version=version)

    def _require(self, version: str) -> str:
        tags = self._reader.tags(MODEL, version)
        if tags is None:
            raise NotFound(f"there is no model version {version}; `shopfloor train` makes one", version=version)
        if MANIFEST_TAG not in tags:
            raise BadInput(f"model version {version} was not registered by Shopfloor: it has no tag {MANIFEST_TAG}")
        return tags[MANIFEST_TAG]

    def _promotion(self, version: str, why: str) -> Promotion:
        return Promotion(version, self._clock().astimezone(UTC).isoformat(timespec="seconds"), why)

    def _remember(self, history: list[Promotion]) -> None:
        lines = [asdict(promotion) for promotion in history[-KEPT_CHAMPIONS:]]
        self._client().set_registered_model_tag(MODEL, CHAMPIONS_TAG, json.dumps(lines))

    def _client(self) -> Any:
        return open_client(self._uri)

    def _experiment(self, client: Any) -> str:
        location = self._artifacts.absolute().as_uri() if self._artifacts and not self._uri.startswith("http") else None
        with _unless(exists_already):
            return str(client.create_experiment(MODEL, artifact_location=location))
        return str(client.get_experiment_by_name(MODEL).experiment_id)


def _verified(folder: Path, digest: str) -> Path:
    if (folder / MANIFEST).is_file() and checksum(folder / MANIFEST) != digest:
        raise Corrupt(f"{folder / MANIFEST} is not the manifest that was registered", file=str(folder / MANIFEST))
    verified_manifest(folder)
    return folder


def _log_model(client: Any, experiment: str, run: str, folder: Path) -> tuple[str, str]:
    """Store the bundle as an MLflow model in models-from-code form; its id and the address of its files."""
    import mlflow.pyfunc
    from mlflow.entities import LoggedModelStatus
    from mlflow.models import Model, ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, Schema

    texts = Array(DataType.string)
    asked = [
        ColSpec(texts, "item_ids"),
        ColSpec(DataType.string, "placement", required=False),
        ColSpec(DataType.long, "n", required=False),
    ]
    answered = [ColSpec(texts, "item_ids"), ColSpec(Array(DataType.double), "scores")]
    logged = client.create_logged_model(experiment, name=MODEL, source_run_id=run)
    libraries = verified_manifest(folder).libraries
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")
        mlflow.pyfunc.save_model(
            Path(temporary, "model"),
            python_model=str(Path(__file__).with_name("registered_model.py")),
            artifacts={BUNDLE: str(folder)},
            signature=ModelSignature(Schema(asked), Schema(answered)),
            pip_requirements=[f"{name}=={version}" for name, version in libraries.items()],
            mlflow_model=Model(run_id=run, model_id=logged.model_id),
        )
        client.log_model_artifacts(logged.model_id, str(Path(temporary, "model")))
    client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
    return logged.model_id, logged.artifact_location


@contextlib.contextmanager
def _unless(expected: Callable[[Exception], bool]) -> Any:
    """Let pass an MLflow error that is fine here."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if not expected(error):
            raise
