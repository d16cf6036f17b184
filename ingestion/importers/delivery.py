"""From staged records to the log: through the contract, in batches, with a checkpoint after each.

At-least-once into the log: a batch is sent again when the process dies between the append and its checkpoint.
It counts once all the same, because an event's id is made from its content and comes out the same each time.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel

from feature_repo.errors import TryLater
from ingestion.contracts.event import Event, ReceivedEvent
from ingestion.contracts.parse import parse_event, parse_product, read_record, to_log
from ingestion.contracts.product import StoredProduct
from ingestion.contracts.rejection import FieldError, Rejection
from ingestion.contracts.taxonomy import LOG_KEY, StoredCategory
from ingestion.importers.checkpoint import Checkpoint
from ingestion.importers.report import Report
from ingestion.importers.staging import ORDER, Progress, Staged, Staging
from ingestion.transports.log import EVENTS, PRODUCTS, EventLog, Message


class Delivery:
    """Sends what is staged. ``markets``: the only ones allowed, or empty for any."""

    def __init__(self, log: EventLog, checkpoint: Checkpoint, path: Path, markets: Collection[str]) -> None:
        self._log = log
        self._checkpoint = checkpoint
        self._path = path
        self._markets = frozenset(markets)
        self._now = datetime.fromisoformat(checkpoint.started_at)

    async def send(self, staging: Staging, report: Report, progress: Progress) -> None:
        """Send everything that no earlier run has sent. TryLater when the log takes no more: run it again."""
        totals = staging.totals()
        for topic in ORDER:
            position, total = 0, totals.get(topic, 0)
            already = self._checkpoint.sent.get(topic, 0)
            report.resumed_after += min(already, total)
            for batch in staging.batches(topic):
                messages = self._messages(topic, batch, staging, report)
                position += len(batch)
                if position > already:
                    await self._append(topic, messages, sum(self._checkpoint.sent.values()))
                    self._checkpoint.sent[topic] = position
                    self._checkpoint.write(self._path)
                progress(f"sending {topic}", position, total)

    async def _append(self, topic: str, messages: list[Message], before: int) -> None:
        if not messages:
            return
        try:
            await self._log.append(topic, messages)
        except TryLater as error:
            raise TryLater(
                f"{error} {before} records of this import are in; the same command goes on from there",
                retry_after=error.retry_after,
                sent=before,
            ) from error

    def _messages(self, topic: str, batch: list[Staged], staging: Staging, report: Report) -> list[Message]:
        messages: list[Message] = []
        refused: list[tuple[str, int | None, str, str | None, str]] = []
        for staged in batch:
            record, key = self._parsed(topic, staged.raw)
            if isinstance(record, Rejection):
                first = record.errors[0]
                lines: list[int] | list[None] = staged.lines or [None]
                refused += [(staged.file, line, first.field, first.value, first.reason) for line in lines]
                continue
            report.accepted[topic] += 1
            if isinstance(record, Event):
                report.events[record.event_name.value] += 1
            messages.append(Message(key, to_log(record)))
        staging.refuse_lines(refused)
        return messages

    def _parsed(self, topic: str, raw: str) -> tuple[BaseModel | Rejection, bytes]:
        if topic == EVENTS:
            event = self._in_market(parse_event(with_event_id(raw), self._now))
            return event, event.customer_key.encode() if isinstance(event, ReceivedEvent) else b""
        if topic == PRODUCTS:
            product = self._in_market(parse_product(raw.encode(), self._now))
            return product, product.key.encode() if isinstance(product, StoredProduct) else b""
        return read_record(StoredCategory, raw.encode(), "category_id"), LOG_KEY

    def _in_market(
        self, record: ReceivedEvent | StoredProduct | Rejection
    ) -> ReceivedEvent | StoredProduct | Rejection:
        if isinstance(record, Rejection) or not self._markets or record.market in (None, *self._markets):
            return record
        reason = f"is none of the shop's markets ({', '.join(sorted(self._markets))}); mend it or the settings"
        return Rejection((FieldError("market", record.market, reason),))


def with_event_id(raw: str) -> bytes:
    """The event with an id made from its own content, unless the source gave one.

    The same order in a repeated export is the same event; an order whose refused lines come later is another one.
    """
    if raw.startswith('{"event_id":"'):
        return raw.encode()
    body = raw.encode()
    event_id = hashlib.blake2b(body, digest_size=16).hexdigest()
    return b'{"event_id":"%b",%b' % (event_id.encode(), body[1:])
