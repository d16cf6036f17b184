"""How far an import has come, in ``<data>/imports/<id>.json``, written after each batch that the log has."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from feature_repo.errors import Conflict, Corrupt, TryLater


@dataclass
class Checkpoint:
    """``sent`` counts, for each topic, the staged records that need not be sent again, refused ones included."""

    import_id: str
    log: str
    """Identity of the log that took the records; another log starts the import anew."""
    started_at: str
    sent: dict[str, int] = field(default_factory=dict)
    complete: bool = False

    @classmethod
    def read(cls, path: Path) -> "Checkpoint | None":
        """The stored checkpoint, None where there is none; Corrupt when the file is not one."""
        try:
            stored = cls(**json.loads(path.read_bytes()))
            datetime.fromisoformat(stored.started_at)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise Corrupt(f"the checkpoint {path} cannot be read ({error}); delete it to import anew") from error
        return stored

    def write(self, path: Path) -> None:
        """Replace the stored one whole; TryLater when the disk does not take it."""
        write_durably(path, json.dumps(asdict(self)))


def write_durably(path: Path, text: str) -> None:
    """The file is the old one or the new one, whatever happens. TryLater when the disk does not take it."""
    new = path.with_suffix(".new")
    try:
        with new.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(path)
    except OSError as error:
        raise TryLater(f"{path} cannot be written: {error.strerror}; make room and run the import again") from error


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the import's lock file; Conflict when another process runs the same import."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(f"this import is already running (it holds {path}); wait for it to end") from error
        yield
