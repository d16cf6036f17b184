"""What one running system claims for itself: its data folder and its port."""

import fcntl
import os
import socket
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


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0. Conflict when something listens on it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError as error:
            raise Misconfigured(f"port {port} needs rights this user lacks; set SHOPFLOOR_PORT above 1023") from error
        except OSError as error:
            raise Conflict(
                f"port {port} on {host} cannot be used ({error.strerror}); "
                "stop what listens there, or choose another with SHOPFLOOR_PORT"
            ) from error
        return int(probe.getsockname()[1])
