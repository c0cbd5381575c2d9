"""Child processes with bounds on memory and time.

Untrusted input (a network, a file for a parser in C++) can make a process loop without end, use
all memory or crash. A child process turns that into an error message.
"""

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

GIB = 2**30
_SHARE = 0.8
"""Fraction of the free memory; the rest is for running processes."""
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


class ConfinedError(Exception):
    """The child failed; the message gives the reason and begins with a verb."""


@dataclass(frozen=True)
class Bounds:
    """Bounds on a child.

    Attributes:
        memory: bytes that it may allocate, including the stacks of its threads; enforced on Linux
            only.
        seconds: from its start to its end.
    """

    memory: int
    seconds: float

    def confine(self) -> None:
        """Apply these bounds to this process and its threads; a child does so first.

        The parent keeps the time. If it is killed, the processor time bounds the child.
        """
        processors = os.cpu_count() or 1
        _lower(resource.RLIMIT_DATA, self.memory)
        _lower(resource.RLIMIT_CPU, int(self.seconds * processors) + 1)
        _lower(resource.RLIMIT_CORE, 0)


def bounds_within(memory: int, seconds: float) -> Bounds:
    """Bounds of at most this much memory, less where the machine has less to spare."""
    free = free_memory()
    return Bounds(memory if free is None else min(memory, int(free * _SHARE)), seconds)


def run_confined(command: Sequence[str], given: bytes, bounds: Bounds, quiet: bool = True) -> bytes:
    """What a child writes to its standard output.

    Args:
        command: the child, which calls `Bounds.confine` before anything else.
        given: its standard input.
        bounds: what it confines itself to.
        quiet: drop what it writes to its standard error.

    Raises:
        ConfinedError: it ran too long, crashed, or ended with another status than 0.
    """
    try:
        done = subprocess.run(
            command,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            timeout=bounds.seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfinedError(f"did not end within {bounds.seconds:g} s") from error
    except OSError as error:
        raise ConfinedError(f"could not be started: {error}") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise ConfinedError(f"crashed with {name}, perhaps for lack of memory: {allowed(bounds)}")
    if done.returncode:
        raise ConfinedError(
            f"ended with status {done.returncode}, perhaps for lack of memory: {allowed(bounds)}"
        )
    return done.stdout


def allowed(bounds: Bounds) -> str:
    """The memory that a child may use, in words."""
    return f"{bounds.memory / GIB:.1f} GiB are allowed"


def free_memory() -> int | None:
    """Bytes that the machine, or its container, has to spare; None if unknown."""
    found = [free for free in (_machine_memory(), _container_memory()) if free is not None]
    return min(found, default=None)


def _machine_memory() -> int | None:
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _container_memory() -> int | None:
    try:
        most = (_CGROUP / "memory.max").read_text().strip()
        if most == "max":
            return None
        cached = 0
        for line in (_CGROUP / "memory.stat").read_text().splitlines():
            name, _, number = line.partition(" ")
            if name in ("inactive_file", "active_file"):  # freed when memory is short
                cached += int(number)
        used = int((_CGROUP / "memory.current").read_text())
        return max(int(most) - used + cached, 0)
    except (OSError, ValueError):
        return None


def _lower(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    try:
        resource.setrlimit(kind, (most, hard))
    except (OSError, ValueError):  # macOS knows the limit and refuses to set it
        pass
