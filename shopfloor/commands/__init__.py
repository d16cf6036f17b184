"""The verbs, in the order of ``shopfloor --help``. Each entry adds its command to the Typer app it is given."""

from collections.abc import Callable
from typing import Final

import typer

from shopfloor.commands import doctor, evaluate, import_, serve, up, work

VERBS: Final[tuple[Callable[[typer.Typer], None], ...]] = (
    up.register,
    serve.register,
    work.register,
    import_.register,
    evaluate.register,
    doctor.register,
)
