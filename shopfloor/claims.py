"""What one running system claims for itself."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.errors import Conflict, Misconfigured


@contextmanager
def claimed_folder(data: Path) -> Iterator[None]:
    """The data folder for one ``up`` alone. Conflict when another runs on it.

    The lock is the kernel's: it ends with the process, however that ends, and a file left behind locks nothing.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(data / "up.lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise Misconfigured(f"the data folder {data} cannot be used: {error.strerror}; set SHOPFLOOR_DATA") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 20).decode(errors="replace").strip() or "unknown"
            raise Conflict(
                f"shopfloor up already runs on the data folder {data} (process {owner}); "
                "stop it first, or set another SHOPFLOOR_DATA",
                process=owner,
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
