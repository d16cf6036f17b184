"""The demo's own data folder: made afresh for each demo, and never anybody else's."""

import shutil
from pathlib import Path
from typing import Final

from feature_repo.errors import Conflict

MARK: Final = ".made-by-shopfloor-demo"
CONFIG: Final = "shopfloor.toml"
LOCK: Final = "up.lock"
FEAST: Final = """\
# For `feast -c {folder} ui` and other commands of Feast; the program does not read it.
project: shopfloor
provider: local
registry: {folder}/registry.db
online_store: {{type: sqlite, path: {folder}/online.db}}
offline_store: {{type: duckdb}}
entity_key_serialization_version: 3
"""


def check_ours(folder: Path) -> None:
    """Conflict when the folder holds something that no demo made."""
    if folder.exists() and not (folder / MARK).exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} holds something that no demo made and is left alone; give another folder with --data")


def made_afresh(folder: Path, port: int) -> Path:
    """Empty the folder, which must be claimed, and write its settings; gives the settings file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    for entry in folder.iterdir():
        if entry.name in (MARK, LOCK):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (folder / "feature_store.yaml").write_text(FEAST.format(folder=folder))
    config = folder / CONFIG
    config.write_text(f'# The demo shop. Go on with it: shopfloor up --config {config}\ndata = "."\nport = {port}\n')
    return config
