"""Why a record was refused: which field, which value, for what reason."""

from dataclasses import asdict, dataclass
from typing import Any, Final

from pydantic import ValidationError

MAX_VALUE_CHARS: Final = 120


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong. ``field`` is a path such as ``items.0.price``; ``value`` is cut to 120 characters."""

    field: str
    value: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that the contract refused, with everything that is wrong with it."""

    errors: tuple[FieldError, ...]
    record_id: str | None = None
    """The record's own id where it could be read."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return "; ".join(f"{e.field}: {e.reason}" for e in self.errors)


def shown(value: Any) -> str | None:
    """A value as it may stand in an error: cut short, never a whole record."""
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_VALUE_CHARS else text[: MAX_VALUE_CHARS - 1] + "…"


def field_errors(error: ValidationError) -> tuple[FieldError, ...]:
    """Pydantic's errors in the words of the contract."""
    return tuple(
        FieldError(
            field=str(e.get("ctx", {}).get("field") or ".".join(str(part) for part in e["loc"]) or "(record)"),
            value=None if e["type"].startswith("missing") else shown(e["input"]),
            reason=e["msg"].removeprefix("Value error, "),
        )
        for e in error.errors(include_url=False)
    )
