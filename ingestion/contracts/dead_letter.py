"""The dead letter, version 1: a record that its contract refused, kept whole so that it can be mended and replayed."""

import base64
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from ingestion.contracts.rejection import Rejection
from ingestion.transports.log import Record


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
    refused_at: datetime
    reasons: tuple[Reason, ...]
    payload: str
    """The record's value as UTF-8 text, or base64 where it is none (see ``payload_encoding``)."""
    payload_encoding: str = "utf-8"


def dead_letter(record: Record, rejection: Rejection, refused_at: datetime) -> DeadLetter:
    try:
        payload, encoding = record.value.decode(), "utf-8"
    except UnicodeDecodeError:
        payload, encoding = base64.b64encode(record.value).decode(), "base64"
    return DeadLetter(
        letter_id=f"{record.topic}/{record.partition}/{record.offset}",
        topic=record.topic,
        customer_key=record.key.decode(errors="replace"),
        refused_at=refused_at,
        reasons=tuple(Reason(field=e.field, value=e.value, reason=e.reason) for e in rejection.errors),
        payload=payload,
        payload_encoding=encoding,
    )
