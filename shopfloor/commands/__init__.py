"""The verbs, in the order of ``shopfloor --help``. Each entry adds its command to the Typer app it is given."""

from collections.abc import Callable
from typing import Final

import typer

from shopfloor.commands import doctor, evaluate

VERBS: Final[tuple[Callable[[typer.Typer], None], ...]] = (evaluate.register, doctor.register)
