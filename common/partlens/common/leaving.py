"""Ends a process whose native threads may still run."""

import atexit
import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """End the process, without unloading its libraries.

    An ordinary exit destroys what native threads may be using, such as those that read a model or a
    gallery; the process then aborts.

    Args:
        status: exit status.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
