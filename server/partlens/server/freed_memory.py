"""Memory that is free goes back to the system, as far as the C library lets us ask for it."""

import ctypes
import sys

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of mallopt, as malloc.h of glibc names them."""
_OWN_MAPPING = 4 * 2**20
_ARENAS = 4


def return_freed_memory() -> None:
    """Have large blocks mapped on their own, so that they are returned as soon as they are free.

    glibc raises its threshold to 32 MiB with the first large blocks that it frees, and Pillow's
    blocks of 16 MiB then stay in the arena of each thread. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _OWN_MAPPING)
        mallopt(_ARENA_MAX, _ARENAS)
