"""Group commit: one thread writes what many callers append, so that they share one transaction and one fsync."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Final

from feature_repo.errors import ShopfloorError, TryLater
from ingestion.transports.embedded.records import RecordsFile
from ingestion.transports.log import Message, TopicPartition

MAX_TRANSACTION_MESSAGES: Final = 10_000

log = logging.getLogger(__name__)

_Work = tuple[str, Sequence[Message], "Future[dict[TopicPartition, int]]"]


class Appender:
    """Takes appends from any thread; each future is done once its messages are on disk."""

    def __init__(self, records: RecordsFile, clock: Callable[[], float]) -> None:
        self._records = records
        self._clock = clock
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="log-appender", daemon=True)
        self._thread.start()

    def submit(self, topic: str, messages: Sequence[Message]) -> "Future[dict[TopicPartition, int]]":
        """The future gives the new end offsets, or raises TryLater."""
        if self._closing:
            raise TryLater("the log is closing; send again in a moment")
        future: Future[dict[TopicPartition, int]] = Future()
        self._queue.put((topic, messages, future))
        return future

    def close(self) -> None:
        """Write what was submitted, then end."""
        self._closing = True
        self._queue.put(None)
        self._thread.join()
        self._records.close()
        while not self._queue.empty():  # submitted in the very moment of closing
            if work := self._queue.get_nowait():
                work[2].set_exception(TryLater("the log was closed before it took the records"))

    def _run(self) -> None:
        open_ = True
        while open_:
            works = [self._queue.get()]
            size = 0
            while works[-1] is not None and (size := size + len(works[-1][1])) < MAX_TRANSACTION_MESSAGES:
                try:
                    works.append(self._queue.get_nowait())
                except Empty:
                    break
            open_ = works[-1] is not None
            self._write([work for work in works if work is not None and work[2].set_running_or_notify_cancel()])

    def _write(self, works: Sequence[_Work]) -> None:
        if not works:
            return
        try:
            ends: Mapping[TopicPartition, int] = self._records.append(
                [(topic, messages) for topic, messages, _ in works], int(self._clock() * 1000)
            )
        except Exception as error:  # whatever it is, every caller must hear of it and the thread must live
            for _, _, future in works:
                future.set_exception(error)
            return
        for _, _, future in works:
            future.set_result(dict(ends))
        try:
            self._records.checkpoint()
        except (ShopfloorError, OSError) as error:
            log.warning("the records are safe, but their write-ahead log could not be shortened: %s", error)
