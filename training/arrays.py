"""Arrays and settings on disk as a bundle holds them: plain .npy mapped into memory, plain JSON, nothing pickled."""

import json
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from feature_repo.errors import Corrupt

Scalar = TypeVar("Scalar", bound=np.generic)
Settings = TypeVar("Settings")


def write_array(folder: Path, name: str, array: npt.NDArray[Any]) -> None:
    np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_array(folder: Path, name: str, dtype: type[Scalar], ndim: int = 1) -> npt.NDArray[Scalar]:
    """The array mapped into memory, read-only; Corrupt when it is missing, cut short or of another type or rank."""
    path = folder / f"{name}.npy"
    try:
        array = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise Corrupt(f"{path} is no readable array: {error}", file=str(path)) from error
    if not np.issubdtype(array.dtype, dtype) or array.ndim != ndim:
        found = f"{array.ndim}-dimensional {array.dtype}"
        raise Corrupt(f"{path} holds a {found} array where {ndim}-dimensional {dtype.__name__} belongs", file=str(path))
    return array


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "settings.json").write_text(json.dumps(settings, indent=1, sort_keys=True))


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings as written; Corrupt when they are missing or no JSON object."""
    path = folder / "settings.json"
    try:
        settings = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Corrupt(f"{path} is no readable JSON: {error}", file=str(path)) from error
    if not isinstance(settings, dict):
        raise Corrupt(f"{path} holds no JSON object", file=str(path))
    return settings


def read_settings_as(folder: Path, kind: type[Settings]) -> Settings:
    """The settings as an object of their class; Corrupt when its fields are others."""
    try:
        return kind(**read_settings(folder))
    except TypeError as error:
        raise Corrupt(f"{folder / 'settings.json'} is not of this version: {error}") from error
