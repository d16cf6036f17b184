"""What every long-running command does alike: it stops on SIGTERM or SIGINT, and it logs to standard error."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable


async def until_stopped(run: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Await ``run`` with an event that the first SIGTERM or SIGINT sets; a second SIGINT interrupts at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_to_stop() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ask_to_stop)
    try:
        await run(stop)
    finally:
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)


def log_to_stderr(process: str) -> None:
    """Lines that say when, which process and how bad."""
    logging.basicConfig(format=f"%(asctime)s {process} %(levelname)s %(message)s", level=logging.INFO)
    for chatty in ("httpx", "aiokafka", "alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
