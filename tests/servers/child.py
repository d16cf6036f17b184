"""Ports and waiting for the servers that tests start as child processes on loopback."""

import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(answers: Callable[[], bool], process: subprocess.Popen[bytes], output: Path, seconds: float) -> None:
    """Until the server answers; RuntimeError with the end of its output when it ends or takes longer."""
    deadline = time.monotonic() + seconds
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            state = "ended" if process.poll() is not None else f"does not answer after {seconds:.0f} s"
            raise RuntimeError(f"{process.args!r:.60} {state}:\n{output.read_text()[-3000:]}")
        time.sleep(0.05)


def stop(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
