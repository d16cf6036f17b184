"""The verbs, in the order of ``shopfloor --help``. Each entry adds its command to the Typer app it is given."""

from collections.abc import Callable
from typing import Final

import typer

from shopfloor.commands import (
    demo,
    doctor,
    estimate,
    evaluate,
    export,
    import_,
    maintain,
    materialize,
    promote,
    replay,
    retention,
    rollback,
    search,
    serve,
    train,
    up,
    work,
)

VERBS: Final[tuple[Callable[[typer.Typer], None], ...]] = (
    demo.register,
    up.register,
    serve.register,
    work.register,
    import_.register,
    replay.register,
    materialize.register,
    maintain.register,
    search.register,
    train.register,
    promote.register,
    rollback.register,
    evaluate.register,
    estimate.register,
    retention.register,
    export.register,
    doctor.register,
)
