"""Cores of a node, each for one worker."""

import os
import socket

_held = list[socket.socket]()


def confine(count: int) -> None:
    """Keep this process to `count` cores that no other worker of this node is kept to.

    Everything takes as many threads as its process may use cores, so workers would otherwise take
    more threads together than there are cores. The cores are free again when the process ends.
    Nothing changes where too few are free, or on a system that cannot keep a process to cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    if count >= len(allowed):
        return
    mine = list[int]()
    for core in allowed:
        if len(mine) < count and (claim := _claim(core)) is not None:
            _held.append(claim)
            mine.append(core)
    if len(mine) == count:
        os.sched_setaffinity(0, mine)


def _claim(core: int) -> socket.socket | None:
    """A socket whose name stands for a core, so that no other process can have it; None if one has.

    The name is abstract: no file, and gone with the process.
    """
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0partlens-core-{os.getuid()}-{core}")
    except OSError:
        claim.close()
        return None
    return claim
