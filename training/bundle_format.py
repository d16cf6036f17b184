"""Which bundles this program reads, told from a look at their files: no model is imported, no checksum is made.

``training/bundle.py`` checks everything. This is for a rollback, which has less than a second.
"""

import json
from pathlib import Path
from typing import Final

from ingestion.contracts.event import CONTRACT_VERSION

FORMAT_VERSION: Final = 3
MANIFEST: Final = "manifest.json"


def misfit(folder: Path) -> str | None:
    """Why the bundle in ``folder`` cannot be read, as far as its versions and the sizes of its files tell; None when
    these are right."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
        theirs = manifest["format_version"], manifest["contract_version"]
        sizes = {name: file["size"] for name, file in manifest["files"].items()}
    except OSError as error:
        return f"{path} cannot be read: {error}"
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{path} is no manifest"
    if theirs != (FORMAT_VERSION, CONTRACT_VERSION):
        return (
            f"it is of bundle format {theirs[0]} and event contract {theirs[1]}, "
            f"this program speaks {FORMAT_VERSION} and {CONTRACT_VERSION}"
        )
    for name, size in sizes.items():
        file = folder / name
        if not file.is_file():
            return f"it lacks {file}"
        if file.stat().st_size != size:
            return f"{file} has {file.stat().st_size} bytes instead of {size}"
    return None
