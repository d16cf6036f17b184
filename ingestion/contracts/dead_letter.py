"""The dead letter, version 1: a record that its contract refused, kept whole so that it can be mended and replayed."""

import base64
import contextlib
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from ingestion.contracts.event import Time
from ingestion.contracts.rejection import Rejection
from ingestion.transports.log import Record

MAX_TEXT_BYTES: Final = 800_000
"""A payload whose JSON form is longer, as control characters and quotes make it, is kept as base64 …"""
MAX_PAYLOAD_BYTES: Final = 600_000
"""… and cut to this, so that the letter itself still fits into a record of the log."""


class Reason(BaseModel):
    model_config = ConfigDict(frozen=True)

    field: str
    value: str | None = None
    reason: str


class DeadLetter(BaseModel):
    """``letter_id`` is ``<topic>/<partition>/<offset>`` of the refused record, so that a repeat counts once."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    letter_id: str
    topic: str
    customer_key: str
    """The record's key, by which a customer's letters are found again for erasure."""
    refused_at: Time
    reasons: tuple[Reason, ...]
    payload: str
    """The record's value as UTF-8 text, or base64 where it is none (see ``payload_encoding``)."""
    payload_encoding: str = "utf-8"
    """``utf-8``, ``base64``, or ``base64-cut`` for the first 600,000 bytes of a longer value."""


def dead_letter(record: Record, rejection: Rejection, refused_at: datetime) -> DeadLetter:
    payload, encoding = _payload(record.value)
    return DeadLetter(
        letter_id=f"{record.topic}/{record.partition}/{record.offset}",
        topic=record.topic,
        customer_key=record.key.decode(errors="replace"),
        refused_at=refused_at,
        reasons=tuple(Reason(field=e.field, value=e.value, reason=e.reason) for e in rejection.errors),
        payload=payload,
        payload_encoding=encoding,
    )


def _payload(value: bytes) -> tuple[str, str]:
    """The value in a form that still fits into the log as JSON, and how it is encoded."""
    with contextlib.suppress(UnicodeDecodeError):
        text = value.decode()
        if len(to_json(text)) <= MAX_TEXT_BYTES:
            return text, "utf-8"
    encoding = "base64" if len(value) <= MAX_PAYLOAD_BYTES else "base64-cut"
    return base64.b64encode(value[:MAX_PAYLOAD_BYTES]).decode(), encoding
