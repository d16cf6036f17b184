"""Raw bytes in, a valid record or a reasoned rejection out. HTTP, importers and the stream all come through here."""

import contextlib
from datetime import datetime
from typing import Any, TypeVar, cast

import msgspec
from pydantic import BaseModel, ValidationError

from ingestion.contracts.event import (
    FUTURE_LIMIT,
    LATE_LIMIT,
    SKEW_LIMIT,
    Event,
    QualityFlag,
    ReceivedEvent,
)
from ingestion.contracts.product import Product, StoredProduct
from ingestion.contracts.rejection import FieldError, Rejection, field_errors

M = TypeVar("M", bound=BaseModel)


def parse_event(raw: bytes, received_at: datetime) -> ReceivedEvent | Rejection:
    """A client's event as it arrives; ``received_at`` must have a zone."""
    event = _parsed(Event, raw, "event_id")
    if isinstance(event, Rejection):
        return event
    return stamped(event, received_at)


def stamped(event: Event, received_at: datetime) -> ReceivedEvent | Rejection:
    """The event with the server's fields; refused when its time lies too far ahead of ours."""
    ahead = event.event_time - received_at
    if ahead > FUTURE_LIMIT:
        reason = f"lies {ahead} ahead of the server's clock; check the clock and the zone of the sender"
        return Rejection((FieldError("event_time", event.event_time.isoformat(), reason),), event.event_id)
    flags: tuple[QualityFlag, ...] = ()
    if ahead > SKEW_LIMIT:
        flags = (QualityFlag.CLOCK_SKEW,)
    elif -ahead > LATE_LIMIT:
        flags = (QualityFlag.LATE,)
    return ReceivedEvent.model_construct(
        event.model_fields_set | {"received_at", "quality_flags"},
        **event.__dict__,
        received_at=received_at,
        quality_flags=flags,
    )


def read_event(raw: bytes, appended_at: datetime) -> ReceivedEvent | Rejection:
    """An event as it stands in the log, with the server's fields or, from a team's own producer, without them."""
    try:
        event = ReceivedEvent.__pydantic_validator__.validate_json(raw)
    except ValidationError as error:
        if any(e["loc"] == ("received_at",) and e["type"] == "missing" for e in error.errors(include_url=False)):
            return parse_event(raw, appended_at)
        return Rejection(field_errors(error), _record_id(raw, "event_id"))
    if event.event_time - event.received_at > FUTURE_LIMIT:
        return stamped(event, event.received_at)
    return event  # type: ignore[no-any-return]  # the core validator is untyped


def parse_product(raw: bytes, updated_at: datetime) -> StoredProduct | Rejection:
    product = _parsed(Product, raw, "item_id")
    if isinstance(product, Rejection):
        return product
    return StoredProduct.model_construct(
        product.model_fields_set | {"updated_at"}, **product.__dict__, updated_at=updated_at
    )


def read_record(model: type[M], raw: bytes, id_field: str) -> M | Rejection:
    """Any other record as it stands in the log."""
    return _parsed(model, raw, id_field)


def to_log(record: BaseModel) -> bytes:
    """The record as the log keeps it: JSON without the fields that are absent."""
    return record.__pydantic_serializer__.to_json(record, exclude_none=True)


def _parsed(model: type[M], raw: bytes, id_field: str) -> M | Rejection:
    try:
        return cast(M, model.__pydantic_validator__.validate_json(raw))
    except ValidationError as error:
        return Rejection(field_errors(error), _record_id(raw, id_field))


def _record_id(raw: bytes, id_field: str) -> str | None:
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        record: Any = msgspec.json.decode(raw)
        if isinstance(record, dict) and isinstance(record.get(id_field), str | int):
            return str(record[id_field])
    return None
