"""``shopfloor serve``: the HTTP service, one process."""

import errno
import socket
from typing import TYPE_CHECKING, Annotated

import typer

from feature_repo.errors import Conflict, Misconfigured
from shopfloor.commands.options import Config

if TYPE_CHECKING:
    import asyncio

    from shopfloor.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep a connection, so that none sends a request into one that we just closed."""
GRACE_SECONDS = 10
"""How long requests in flight may take after SIGTERM."""


def register(app: typer.Typer) -> None:
    app.command()(serve)


def serve(
    config: Config = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the settings'.")] = None,
    port: Annotated[int | None, typer.Option(help="Port, instead of the settings'; 0: any that is free.")] = None,
) -> None:
    """Answer events and recommendations over HTTP until stopped; requests in flight are finished first."""
    import uvloop

    from serving.security import check_binding
    from shopfloor.settings import LoadedSettings
    from shopfloor.signals import log_to_stderr, until_stopped

    log_to_stderr("serve")
    settings = LoadedSettings.read(config).settings
    host, port = host or settings.host, settings.port if port is None else port
    check_binding(host, settings.keys)
    with listening(host, port) as listener:
        uvloop.run(until_stopped(lambda stop: answer(settings, listener, stop)))


async def answer(settings: "Settings", listener: socket.socket, stop: "asyncio.Event") -> None:
    """Serve on the socket until ``stop`` is set, then finish what is in flight and flush."""
    import asyncio
    import contextlib
    from collections.abc import Iterator

    import uvicorn
    from threadpoolctl import threadpool_limits

    from shopfloor import wiring

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # Signals are taken in shopfloor/signals.py; uvicorn would raise them again after it has stopped.
            yield

    async with wiring.service(settings) as app:
        # Answers are small: more than one BLAS thread a request costs ten times the CPU time and the worst latencies.
        # It reaches only libraries that are loaded, and opening the service has loaded NumPy's and SciPy's.
        threadpool_limits(1)
        server = Server(
            uvicorn.Config(
                app,
                loop="none",
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )

        async def end() -> None:
            await stop.wait()
            server.should_exit = True

        ending = asyncio.create_task(end())
        try:
            await server.serve(sockets=[listener])
        finally:
            ending.cancel()
    if not server.started:
        raise Misconfigured("the service did not start; the lines above say why")


def listening(host: str, port: int) -> socket.socket:
    """A socket bound to the address; Conflict, with who has the port, when it is taken."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise Misconfigured(f"host {host!r} is no address of this machine: {error}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        # Listening now, not when the application is up, is what makes a second service fail at once.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            mend = "stop that program, or choose another port with --port or SHOPFLOOR_PORT"
            raise Conflict(f"port {port} on {host} is in use by {_holder(port)}; {mend}", port=port) from error
        raise Misconfigured(f"cannot listen on {host} port {port}: {error.strerror}") from error
    return listener


def _holder(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and getattr(connection.laddr, "port", None) == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass
    return "another program"
