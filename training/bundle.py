"""The bundle: everything one model version needs to answer, as files that hold no code.

::

    manifest.json         what it is, from which data, with which checksums; written last, so a half bundle has none
    item_ids.npy          the item vocabulary, str [i]
    item_counts.npy       interactions with each item that were learnt from, int64 [i]
    models/<name>/…       each model's own arrays and settings
    rankers/<name>/…      each ranker's

Users are in no bundle: a customer is known by their history at the moment of the question.
"""

import hashlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from feature_repo.errors import Corrupt
from ingestion.contracts.event import CONTRACT_VERSION
from training.arrays import read_array, write_array
from training.bundle_format import FORMAT_VERSION, MANIFEST
from training.candidates.candidate import CandidateModel
from training.evidence import Evidence
from training.interactions import Longs
from training.models import MODELS
from training.ranker import Ranker

ITEM_COUNTS: Final = "item_counts"
LIBRARIES: Final = ("numpy", "numba", "scipy", "implicit", "lightgbm")

Blends = Mapping[str, Mapping[str, float]]
"""Placement -> model -> weight."""


class DataWindow(BaseModel):
    """What a version was trained on; times are the first and last event's, UTC."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    first_event: datetime
    last_event: datetime
    interactions: int
    users: int
    sessions: int
    items: int
    """Items with interactions."""
    untouched_items: int = 0
    """Products of the catalogue that nobody had touched; what they are is all that was learnt of them."""


class StoredFile(BaseModel):
    model_config = ConfigDict(frozen=True)

    sha256: str
    size: int
    """Bytes."""


class Manifest(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    format_version: int
    contract_version: int
    """Of the event contract that the training data obeyed."""
    created_at: datetime
    window: DataWindow
    markets: tuple[str, ...]
    models: tuple[str, ...]
    rankers: tuple[str, ...]
    blends: dict[str, dict[str, float]]
    metrics: dict[str, float]
    settings: dict[str, Any]
    """What the training was told: seed, window and the like."""
    started_from: dict[str, str] = {}
    """Model to the version whose factors its learning began with; the others were fitted anew."""
    evidence: Evidence | None = None
    """What the gate judges; None in a version that was never compared."""
    libraries: dict[str, str]
    files: dict[str, StoredFile]
    """Path below the bundle's folder, with slashes, to what must be there."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version, checked and open; arrays are mapped, so several processes share their memory."""

    version: str
    manifest: Manifest
    item_ids: npt.NDArray[np.str_]
    item_index: Mapping[str, int]
    markets: tuple[str, ...]
    models: Mapping[str, CandidateModel]
    blends: Blends
    rankers: Mapping[str, Ranker] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, version: str, classes: Mapping[str, type[CandidateModel]] = MODELS) -> Self:
        """Check every checksum and load every model; Corrupt, naming the file, when anything does not fit.

        ``classes`` are those that the bundle may name, Misconfigured when one of a shop's own cannot be imported.
        """
        manifest = verified_manifest(folder, classes)
        models = {name: classes[name].load(folder / "models" / name) for name in manifest.models}
        item_ids = read_array(folder, "item_ids", np.str_)
        return cls(
            version=version,
            manifest=manifest,
            item_ids=item_ids,
            item_index={item: index for index, item in enumerate(item_ids.tolist())},
            markets=manifest.markets,
            models=models,
            blends=manifest.blends,
            rankers={name: Ranker.load(folder / "rankers" / name) for name in manifest.rankers},
        )


def write_bundle(
    folder: Path,
    *,
    item_ids: npt.NDArray[np.str_],
    markets: tuple[str, ...],
    models: Mapping[str, CandidateModel],
    blends: Blends,
    window: DataWindow,
    metrics: Mapping[str, float],
    settings: Mapping[str, Any],
    created_at: datetime,
    evidence: Evidence | None = None,
    item_counts: Longs | None = None,
    rankers: Mapping[str, Ranker] | None = None,
    started_from: Mapping[str, str] | None = None,
) -> Manifest:
    """Write a bundle into ``folder``, which appears complete or not at all and must not exist yet."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write_array(unfinished, "item_ids", item_ids)
        if item_counts is not None:
            write_array(unfinished, ITEM_COUNTS, item_counts)
        for name, model in models.items():
            (unfinished / "models" / name).mkdir(parents=True)
            model.save(unfinished / "models" / name)
        for name, ranker in (rankers or {}).items():
            (unfinished / "rankers" / name).mkdir(parents=True)
            ranker.save(unfinished / "rankers" / name)
        manifest = Manifest(
            format_version=FORMAT_VERSION,
            contract_version=CONTRACT_VERSION,
            created_at=created_at.astimezone(UTC),
            window=window,
            markets=markets,
            models=tuple(models),
            rankers=tuple(rankers or {}),
            blends={placement: dict(weights) for placement, weights in blends.items()},
            metrics=dict(metrics),
            settings=dict(settings),
            started_from=dict(started_from or {}),
            evidence=evidence,
            libraries={name: importlib.metadata.version(name) for name in LIBRARIES},
            files={
                path.relative_to(unfinished).as_posix(): StoredFile(sha256=checksum(path), size=path.stat().st_size)
                for path in sorted(unfinished.rglob("*"))
                if path.is_file()
            },
        )
        (unfinished / MANIFEST).write_text(manifest.model_dump_json(indent=1))
        unfinished.chmod(0o755)
        os.rename(unfinished, folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return manifest


def verified_manifest(folder: Path, known: Collection[str] = MODELS) -> Manifest:
    """The manifest, once every file it names was found as written and every model it names is among the ``known``;
    Corrupt, naming the file, otherwise."""
    manifest = _read_manifest(folder)
    unknown = [name for name in manifest.models if name not in known]
    if unknown:
        raise Corrupt(
            f"{folder / MANIFEST} needs the model {unknown[0]!r}, which this program does not have; "
            "if it is the shop's own, name it under training.own_models",
            file=str(folder / MANIFEST),
        )
    root = folder.resolve()
    for name, expected in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(root):
            raise Corrupt(f"{folder / MANIFEST} names {name!r}, which lies outside the bundle", file=name)
        if not path.is_file():
            raise Corrupt(f"the bundle lacks {path}; {_MEND}", file=str(path))
        size = path.stat().st_size
        if size != expected.size:
            raise Corrupt(f"{path} has {size} bytes instead of {expected.size}; {_MEND}", file=str(path))
        if checksum(path) != expected.sha256:
            raise Corrupt(f"{path} differs from what was written (sha256); {_MEND}", file=str(path))
    return manifest


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_MEND: Final = "restore the file, fetch the version again or use another version"


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise Corrupt(f"{path} cannot be read, so this is no whole bundle: {error}", file=str(path)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise Corrupt(f"{path} is no manifest: {where}: {first['msg']}; {_MEND}", file=str(path)) from error
    ours = FORMAT_VERSION, CONTRACT_VERSION
    if (manifest.format_version, manifest.contract_version) != ours:
        raise Corrupt(
            f"{path} is of bundle format {manifest.format_version} and event contract {manifest.contract_version}, "
            f"this program speaks {ours[0]} and {ours[1]}; train again, or use the program it was trained with",
            file=str(path),
        )
    return manifest
