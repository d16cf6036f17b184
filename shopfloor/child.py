"""``python -m shopfloor.child <verb> …``: a command that stops when the process that started it is gone.

The supervisor holds the other end of our standard input and never writes to it. However it ends, even by SIGKILL,
the kernel closes that end, and we read end-of-file. Unlike Linux' PR_SET_PDEATHSIG this works on every Unix and does
not depend on which thread started us.
"""

import os
import signal
import sys
import threading
import time

from shopfloor.cli import main

GRACE_SECONDS = 10.0


def _stop_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.argv[0] = "shopfloor"
    threading.Thread(target=_stop_with_parent, name="parent-watch", daemon=True).start()
    main()
