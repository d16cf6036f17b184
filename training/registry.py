"""The registry of model versions in MLflow: every training is a run, every version a proper MLflow model.

Two aliases say which version is what: ``champion`` answers customers, ``challenger`` waits. Registering is the last
step of a training, so that one that was killed leaves at most an unfinished run and files that no version names.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from feature_repo.errors import Corrupt, TryLater
from training.bundle import Manifest, checksum, verified_manifest
from training.bundle_format import MANIFEST
from training.candidates.candidate import CandidateModel
from training.champions import CHALLENGER, CHAMPION, MANIFEST_TAG, MODEL, Champions, Promotion
from training.mlflow_client import BUNDLE, absent, exists_already, open_client
from training.models import MODELS
from training.registry_store import registry_store
from training.tracked_run import TrackedRun

__all__ = ["CHALLENGER", "CHAMPION", "MODEL", "ModelRegistry", "Promotion"]


JOB_TAG: Final = "shopfloor.job"
TRAINING: Final = "training"


class ModelRegistry:
    """``cache`` keeps downloaded, verified bundles; ``artifacts`` is where a database store puts its files.

    ``classes`` are the models that a version may name, any other version is refused.
    """

    def __init__(
        self,
        tracking_uri: str,
        cache: Path,
        artifacts: Path | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        classes: Mapping[str, type[CandidateModel]] = MODELS,
    ) -> None:
        self.classes = classes
        self._uri = tracking_uri
        self._cache = cache
        self._artifacts = artifacts
        self._clock = clock
        self._store = registry_store(tracking_uri)
        self._champions = Champions(self._store, clock)

    def version_of(self, alias: str) -> str | None:
        """The version an alias stands for, None where there is none; cheap enough to ask every second."""
        return self._champions.version_of(alias)

    def register(
        self,
        folder: Path,
        metrics: Mapping[str, float],
        params: Mapping[str, Any],
        figures: Mapping[str, Any] | None = None,
        documents: Mapping[str, str] | None = None,
    ) -> str:
        """Log a run with the bundle in ``folder`` as its model, and register that model as a new version.

        ``figures`` maps file names to matplotlib figures, ``documents`` file names to texts. Metric names may hold
        letters, digits and ``_-. /``.
        """
        manifest = verified_manifest(folder, self.classes)
        client = self._client()
        experiment = self._experiment(client)
        name = f"train {self._clock():%Y-%m-%d %H:%M}"
        run = client.create_run(experiment, run_name=name, tags={JOB_TAG: TRAINING}).info.run_id
        try:
            for name, value in params.items():
                client.log_param(run, name, value)
            for name, number in metrics.items():
                client.log_metric(run, name, number)
            for name, figure in (figures or {}).items():
                client.log_figure(run, figure, name)
            for name, text in (documents or {}).items():
                client.log_text(run, text, name)
            model_id, source = _log_model(client, experiment, run, folder, manifest.libraries)
        except BaseException:
            with contextlib.suppress(Exception):  # what went wrong first is what matters
                _give_up(client, experiment, run, "FAILED")
            raise
        client.set_terminated(run, "FINISHED")
        with _unless(exists_already):
            client.create_registered_model(MODEL)
        version = client.create_model_version(
            MODEL, source, run, model_id=model_id, tags={MANIFEST_TAG: checksum(folder / MANIFEST)}
        )
        return str(version.version)

    def end_killed_trainings(self) -> None:
        """Mark the runs that trainings left when they were killed; to be called while no other training can run.

        One that does run, on another machine with the same MLflow server, marks its run as finished by itself.
        """
        client = self._client()
        experiment = self._experiment(client)
        left = client.search_runs([experiment], f"attributes.status = 'RUNNING' AND tags.`{JOB_TAG}` = '{TRAINING}'")
        for run in left:
            _give_up(client, experiment, run.info.run_id, "KILLED")

    def tracked_run(self, name: str, run_id: str | None = None) -> TrackedRun:
        """A run that registers nothing: the one of ``run_id``, to go on with, or a new one where that is not there."""
        client = self._client()
        if run_id is not None:
            with _unless(absent):
                client.update_run(run_id, status="RUNNING")
                return TrackedRun(client, run_id)
        return TrackedRun(client, client.create_run(self._experiment(client), run_name=name).info.run_id)

    def challenge(self, version: str) -> None:
        """Make a version the challenger."""
        self._champions.challenge(version)

    def promote(self, version: str, why: str = "", overruled: Sequence[str] | None = None) -> None:
        """Make a version the champion and remember it, and what a forced one overruled; the one before stays."""
        self._champions.promote(version, why, overruled)

    def rollback(self) -> str:
        """Make the champion before the present one champion again, and return it; Conflict when there is none."""
        return self._champions.rollback()

    def champions(self) -> list[Promotion]:
        """The champions up to the present one, or to the last one where somebody deleted it; oldest first."""
        return self._champions.history()

    def overruled(self, version: str) -> list[str]:
        """What the gate had against a version when it was last forced; empty for one that never was."""
        return self._champions.overruled(version)

    def manifest(self, version: str) -> Manifest:
        """What a version is and what it reached."""
        return verified_manifest(self.fetch(version), self.classes)

    def fetch(self, version: str) -> Path:
        """The version's bundle on this machine, verified; NotFound, Corrupt or TryLater when it cannot be had.

        A folder appears in the cache complete or not at all, so several processes may fetch the same version.
        """
        digest = self._champions.digest(version)
        folder = self._cached(version, digest)
        if folder.exists():
            with contextlib.suppress(Corrupt):
                return self._verified(folder, digest)
            shutil.rmtree(folder, ignore_errors=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self._cache) as unfinished:
            copy = Path(unfinished, BUNDLE)
            self._copy(version, Path(unfinished))
            try:
                self._verified(copy, digest)
            except Corrupt as error:  # the copy is gone when somebody reads this; what it was made from is not
                origin = str(self.stored(version) or f"models:/{MODEL}/{version}/artifacts/{BUNDLE}")
                raise Corrupt(str(error).replace(str(copy), origin), version=version) from error
            with contextlib.suppress(OSError):  # another process was first; its copy is verified below
                os.rename(copy, folder)
        return self._verified(folder, digest)

    def check(self, version: str) -> None:
        """Raise what ``fetch`` would, without a copy of what lies on this machine anyway."""
        digest = self._champions.digest(version)
        stored, cached = self.stored(version), self._cached(version, digest)
        if stored is None or cached.exists():
            self.fetch(version)
        else:
            self._verified(stored, digest)

    def stored(self, version: str) -> Path | None:
        """Where this machine has the version's bundle, to look at; None when it has to be downloaded."""
        return self._champions.stored(version)

    def _cached(self, version: str, digest: str) -> Path:
        return self._cache / f"{version}-{digest[:16]}"

    def _copy(self, version: str, folder: Path) -> None:
        """Put the bundle below ``folder``: from this machine's own files, else by a child process.

        A child, so that this process does not grow by what MLflow imports.
        """
        stored = self.stored(version)
        if stored is not None:
            try:
                shutil.copytree(stored, folder / BUNDLE)
            except (OSError, shutil.Error) as error:
                raise TryLater(f"model version {version} cannot be read from {stored}: {error}") from error
            return
        command = [sys.executable, "-m", "training.mlflow_client", self._uri, MODEL, version, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
        if done.returncode:
            reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise TryLater(f"model version {version} could not be downloaded: {reason[0]}", version=version)

    def _verified(self, folder: Path, digest: str) -> Path:
        if (folder / MANIFEST).is_file() and checksum(folder / MANIFEST) != digest:
            raise Corrupt(f"{folder / MANIFEST} is not the manifest that was registered", file=str(folder / MANIFEST))
        verified_manifest(folder, self.classes)
        return folder

    def _client(self) -> Any:
        return open_client(self._uri)

    def _experiment(self, client: Any) -> str:
        location = self._artifacts.absolute().as_uri() if self._artifacts and not self._uri.startswith("http") else None
        with _unless(exists_already):
            return str(client.create_experiment(MODEL, artifact_location=location))
        return str(client.get_experiment_by_name(MODEL).experiment_id)


def _give_up(client: Any, experiment: str, run: str, status: str) -> None:
    """End a run that registers nothing any more, and the model of it that waits for its files."""
    from mlflow.entities import LoggedModelStatus

    for model in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        if model.status == LoggedModelStatus.PENDING:
            client.finalize_logged_model(model.model_id, LoggedModelStatus.FAILED)
    client.set_terminated(run, status)


def _log_model(client: Any, experiment: str, run: str, folder: Path, libraries: Mapping[str, str]) -> tuple[str, str]:
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
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")
        # MLflow stores the files below the folder's own name, whatever key they are given.
        named = folder if folder.name == BUNDLE else shutil.copytree(folder, Path(temporary, BUNDLE))
        mlflow.pyfunc.save_model(
            Path(temporary, "model"),
            python_model=str(Path(__file__).with_name("registered_model.py")),
            artifacts={BUNDLE: str(named)},
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
