"""Where numba keeps compiled kernels: a folder for each state of their sources.

Numba looks at the file of a function alone to tell whether its compiled code is still good. A kernel that calls one of
another file would go on with that one's former code after an upgrade, or fail with it.
"""

import hashlib
import shutil
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Final

VARIABLE: Final = "NUMBA_CACHE_DIR"
PREFIX: Final = "shopfloor-"
WEEK: Final = 7 * 86_400.0


def use_own_folder(sources: Path, environ: MutableMapping[str, str], now: float) -> None:
    """Point numba to a folder for the ``.py`` files below ``sources`` as they are now; ``now`` in seconds since 1970.

    The folder lies in NUMBA_CACHE_DIR where that is set, else beside the sources; where neither can be written, numba
    finds a place by itself. Folders of former states are removed once nothing was written to them for a week: until
    then a process that began before an upgrade may still use them.
    """
    stamp = hashlib.sha256()
    for file in sorted(sources.rglob("*.py")):
        state = file.stat()
        stamp.update(f"{file.relative_to(sources)} {state.st_size} {state.st_mtime_ns}\n".encode())
    name = PREFIX + stamp.hexdigest()[:16]
    base = Path(environ.get(VARIABLE) or sources / "__pycache__")
    if base.name.startswith(PREFIX):  # a child of a process that has chosen already
        base = base.parent
    with suppress(OSError):
        (base / name).mkdir(parents=True, exist_ok=True)
        environ[VARIABLE] = str(base / name)
        for former in base.glob(f"{PREFIX}*"):
            if former.name != name and now - former.stat().st_mtime > WEEK:
                shutil.rmtree(former, ignore_errors=True)
