"""The verbs, in the order of ``shopfloor --help``. Each entry adds its command to the Typer app it is given."""

from collections.abc import Callable
from typing import Final

import typer

from shopfloor.commands import doctor, evaluate, up, work

VERBS: Final[tuple[Callable[[typer.Typer], None], ...]] = (
    up.register,
    work.register,
    evaluate.register,
    doctor.register,
)
