"""What a test does when the real server it needs cannot be had here."""

import os
from typing import NoReturn

import pytest


def missing(what: str, install: str) -> NoReturn:
    """Skip, naming what to install; in CI, which has all of them, fail."""
    reason = f"{what} is missing: {install}"
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{reason} (CI must run every test)")
    pytest.skip(reason)
