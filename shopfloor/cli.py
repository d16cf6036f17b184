"""``shopfloor <verb>``: each verb is one file in ``shopfloor/commands/``.

Those files import Feast, MLflow and the like inside their functions: together they take ten seconds to import,
and ``shopfloor --help`` should not.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import typer

from feature_repo.errors import ShopfloorError, told
from shopfloor.commands import VERBS
from shopfloor.kernel_cache import use_own_folder
from shopfloor.output import Output

USAGE: Final = 2
"""Typer's exit code for what was typed wrong."""

app = typer.Typer(
    name="shopfloor",
    help="The recommendation system that an online shop runs itself.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def _shopfloor() -> None:
    """The recommendation system that an online shop runs itself."""


for verb in VERBS:
    verb(app)


def main() -> None:
    """The console script: every error ends with its exit code, told on standard error and, with --json, in a document.

    Expected ones are one clear line and have the code of ``feature_repo/errors.py``; others have a traceback and 70.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("FEAST_USAGE", "False")
    use_own_folder(Path(__file__).parents[1] / "training", os.environ, time.time())
    try:
        app()
    except SystemExit as end:
        if end.code == USAGE:  # Typer ends so while it handles its own error, and has told it already
            _document("Usage", _wording(end.__context__))
        raise
    except ShopfloorError as error:
        _document(error.title, str(error), error.details)
        Output().error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # whatever it is, a script that reads our JSON gets a document
        _document(ShopfloorError.title, f"{told(error)}; the traceback is on standard error")
        traceback.print_exc()
        sys.exit(ShopfloorError.exit_code)


def _document(title: str, detail: str, details: dict[str, Any] | None = None) -> None:
    if wants_document(sys.argv[1:]):
        json.dump({"error": {"title": title, "detail": detail, **(details or {})}}, sys.stdout, default=str)
        sys.stdout.write("\n")


def wants_document(arguments: Sequence[str]) -> bool:
    """Whether ``--json`` asks for a document on standard output; that of ``evaluate`` names a file instead."""
    command: Any = typer.main.get_command(app)
    for argument in arguments:
        command = getattr(command, "commands", {}).get(argument, command)
    takes_a_file = any("--json" in option.opts and not option.is_flag for option in command.params)
    return "--json" in arguments and not takes_a_file


def _wording(error: BaseException | None) -> str:
    tell = getattr(error, "format_message", None)
    return str(tell() if tell else error)
