"""One process at a time: a lock that lies in the data folder and that the kernel frees when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from feature_repo.errors import BadInput, Conflict


@contextmanager
def only_one(file: Path, what: str) -> Iterator[None]:
    """Hold the lock ``file`` while ``what`` ("a training") runs.

    Conflict, naming the holder, when it is held; BadInput when its folder cannot be made or written to.
    """
    with _opened(file, what) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Conflict(f"{what} is running already (process {holder}); wait for it or stop it") from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _opened(file: Path, what: str) -> TextIO:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return file.open("a+")
    except OSError as error:
        raise BadInput(
            f"{what} needs a folder to write to, and {file.parent} is none: {error.strerror}; give another"
        ) from error
