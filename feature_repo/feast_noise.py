"""What Feast says that is not for our users."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Feast's progress off standard output, which holds a command's result, and its known warnings away."""
    logger = logging.getLogger("feast")
    level = logger.level
    with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
        # ibis 12, through which Feast asks DuckDB, still calls it so.
        warnings.filterwarnings("ignore", message=r"fetch_arrow_table\(\) is deprecated", category=DeprecationWarning)
        logger.setLevel(logging.ERROR)  # it warns of each feature table that is not there yet
        try:
            yield
        finally:
            logger.setLevel(level)
