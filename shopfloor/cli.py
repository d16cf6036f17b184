"""``shopfloor <verb>``: each verb is one file in ``shopfloor/commands/``.

Those files import Feast, MLflow and the like inside their functions: together they take ten seconds to import,
and ``shopfloor --help`` should not.
"""

import json
import os
import sys
import time
from pathlib import Path

import typer

from feature_repo.errors import ShopfloorError
from shopfloor.commands import VERBS
from shopfloor.kernel_cache import use_own_folder
from shopfloor.output import Output

app = typer.Typer(
    name="shopfloor",
    help="The recommendation system that an online shop runs itself.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="rich",
)


@app.callback()
def _shopfloor() -> None:
    """The recommendation system that an online shop runs itself."""


for verb in VERBS:
    verb(app)


def main() -> None:
    """The console script: expected errors become one clear line and the exit code of ``feature_repo/errors.py``."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("FEAST_USAGE", "False")
    use_own_folder(Path(__file__).parents[1] / "training", os.environ, time.time())
    try:
        app()
    except ShopfloorError as error:
        if "--json" in sys.argv:
            json.dump({"error": {"title": error.title, "detail": str(error), **error.details}}, sys.stdout, default=str)
            sys.stdout.write("\n")
        Output().error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
