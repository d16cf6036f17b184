"""What an import did: accepted, repaired and how, refused and why, left out and by which rule."""

import dataclasses
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

from ingestion.contracts.rejection import FieldError

EXAMPLES: Final = 5
_NUMBERS: Final = re.compile(r"\d[\d:.,]*")
_INDEX: Final = re.compile(r"\.\d+(?=\.|$)")


@dataclass
class Refusals:
    """All records refused for one reason."""

    field: str
    reason: str
    records: int = 0
    examples: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    """The first few, each with file, line and value."""


@dataclass
class Report:
    """Counts are of source lines unless the name says otherwise."""

    import_id: str
    importer: str
    files: list[str]
    lines_read: int = 0
    lines_refused: int = 0
    accepted: Counter[str] = dataclasses.field(default_factory=Counter)
    """Records in the log for each topic."""
    events: Counter[str] = dataclasses.field(default_factory=Counter)
    """Accepted events by name."""
    repaired: Counter[str] = dataclasses.field(default_factory=Counter)
    left_out: Counter[str] = dataclasses.field(default_factory=Counter)
    refused: dict[str, Refusals] = dataclasses.field(default_factory=dict)
    notes: list[str] = dataclasses.field(default_factory=list)
    refused_files: list[str] = dataclasses.field(default_factory=list)
    resumed_after: int = 0
    """Records that an earlier, interrupted run had put into the log."""
    stored: dict[str, Any] | None = None
    """The whole report of an earlier run that had finished; nothing was sent this time."""

    def repair(self, how: str, lines: int) -> None:
        if lines:
            self.repaired[how] += lines

    def leave_out(self, rule: str, lines: int) -> None:
        if lines:
            self.left_out[rule] += lines

    def refuse(self, file: str, line: int | None, error: FieldError) -> None:
        """Count a refusal under its reason; numbers in the reason do not make it another one."""
        name = _INDEX.sub("", error.field)
        group = self.refused.setdefault(f"{name}: {_NUMBERS.sub('#', error.reason)}", Refusals(name, error.reason))
        group.records += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append({"file": file, "line": line, "value": error.value})

    def as_json(self) -> dict[str, Any]:
        if self.stored is not None:
            return self.stored
        return {
            "import_id": self.import_id,
            "importer": self.importer,
            "files": self.files,
            "already_complete": False,
            "resumed_after": self.resumed_after,
            "lines": {
                "read": self.lines_read,
                "used": self.lines_read - self.lines_refused - sum(self.left_out.values()),
                "left_out": sum(self.left_out.values()),
                "refused": self.lines_refused,
            },
            "accepted": dict(self.accepted),
            "events": dict(self.events.most_common()),
            "repaired": [{"how": how, "count": n} for how, n in self.repaired.most_common()],
            "left_out": [{"rule": rule, "lines": n} for rule, n in self.left_out.most_common()],
            "refused": [
                {"field": r.field, "reason": r.reason, "records": r.records, "examples": r.examples}
                for r in sorted(self.refused.values(), key=lambda r: -r.records)
            ],
            "refused_files": self.refused_files,
            "notes": self.notes,
        }
