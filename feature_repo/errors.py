"""Every error Shopfloor raises on purpose, named by what the caller should do about it.

This is the one table that maps an error to an HTTP status and to a process exit code.
The exit codes follow BSD ``sysexits.h`` where it has a fitting one.

| error          | HTTP | exit | the caller should                                      |
|----------------|------|------|--------------------------------------------------------|
| BadInput       | 400  | 65   | mend the request, the file or the argument             |
| NotFound       | 404  | 66   | ask for something that exists                          |
| Conflict       | 409  | 73   | resolve what stands in the way, then repeat            |
| TooLarge       | 413  | 65   | send less at once                                      |
| Refused        | 409  | 77   | read the reasons; a gate did not let this pass         |
| TryLater       | 503  | 75   | repeat after ``retry_after`` seconds                   |
| Misconfigured  | 500  | 78   | mend the settings or install what is missing           |
| Corrupt        | 500  | 74   | restore the named file or use another version          |

It lives in the lowest package because every other one raises these.
"""

import re
from typing import Any, ClassVar, Final

COLOURS: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
"""What some libraries write into their messages for a terminal; ours go into JSON and logs as well."""


class ShopfloorError(Exception):
    """An expected failure whose message says what is wrong, where, and how to mend it.

    ``details`` is machine-readable context that ends up in problem documents and ``--json`` output.
    """

    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 70
    title: ClassVar[str] = "Internal error"

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(COLOURS.sub("", message))
        self.details = details


class BadInput(ShopfloorError):
    status, exit_code, title = 400, 65, "Bad input"


class NotFound(ShopfloorError):
    status, exit_code, title = 404, 66, "Not found"


class Conflict(ShopfloorError):
    status, exit_code, title = 409, 73, "Conflict"


class TooLarge(ShopfloorError):
    status, exit_code, title = 413, 65, "Too large"


class Refused(ShopfloorError):
    status, exit_code, title = 409, 77, "Refused by a gate"


class TryLater(ShopfloorError):
    status, exit_code, title = 503, 75, "Try again later"

    def __init__(self, message: str, retry_after: float = 1.0, **details: Any) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after


class Misconfigured(ShopfloorError):
    status, exit_code, title = 500, 78, "Misconfigured"


class Corrupt(ShopfloorError):
    status, exit_code, title = 500, 74, "Corrupt data"


def told(error: Exception) -> str:
    """What to say of an error that may be anybody's: ours speak for themselves, others are named by their class."""
    return str(error) if isinstance(error, ShopfloorError) else f"{type(error).__name__}: {error}"
