"""Options that several verbs share."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, overload

import typer

from feature_repo.errors import BadInput

Config = Annotated[
    Path | None, typer.Option("--config", help="Settings file; default: shopfloor.toml in the current folder, if any.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else on standard output.")]


@overload
def in_utc(time: datetime) -> datetime: ...
@overload
def in_utc(time: None) -> None: ...
@overload
def in_utc(time: datetime | None) -> datetime | None: ...
def in_utc(time: datetime | None) -> datetime | None:
    """A time as somebody typed it: in UTC where no zone was given."""
    return None if time is None else time.replace(tzinfo=time.tzinfo or UTC)


def check_target(option: str, file: Path) -> None:
    """BadInput unless the file can be written: found out before the work whose result it is to hold, not after."""
    if file.is_dir():
        raise BadInput(f"{option} {file} is a folder; name a file in it")
    if not file.absolute().parent.is_dir():
        raise BadInput(f"{option} {file}: there is no folder {file.absolute().parent}; make it first")
    existed = file.exists()
    try:
        with file.open("ab"):
            pass
        if not existed:
            file.unlink()
    except OSError as error:
        raise BadInput(f"{option} {file} cannot be written: {error.strerror}; give another file") from error
