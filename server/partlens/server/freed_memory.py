"""Memory that is free goes back to the system, as far as the C library lets us ask for it."""

import asyncio
import ctypes
import gc
import sys

_ARENA_MAX, _ARENAS = -8, 4
"""Parameter of mallopt, as malloc.h of glibc names it, and its value."""
_SECONDS, _MUCH = 5.0, 64 * 2**20


def share_arenas() -> None:
    """Have threads share a few arenas of glibc, each of which keeps some free memory.

    Large blocks are not mapped on their own: mapping them anew in each search costs a tenth of its
    time, and keep_returning gives them back. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, _ARENAS)


def keep_for_good() -> None:
    """Have the collector skip what exists now, so that its full passes take milliseconds."""
    gc.collect()
    gc.freeze()


class _Mallinfo2(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


async def keep_returning() -> None:
    """Until cancelled: collect what only cycles hold, and give back free memory between blocks.

    An ended call of gRPC is in a cycle with its last message, and gRPC cuts messages into small
    blocks, so after large ones gigabytes would stay. See keep_for_good.
    """
    libc = ctypes.CDLL(None)
    if not (sys.platform.startswith("linux") and hasattr(libc, "mallinfo2")):
        return
    libc.mallinfo2.restype = _Mallinfo2
    free = 0
    while True:
        await asyncio.sleep(_SECONDS)
        gc.collect()
        now = int(libc.mallinfo2().fordblks)  # with what was given back and not used since
        if abs(now - free) > _MUCH:
            await asyncio.to_thread(libc.malloc_trim, 0)
            free = now
