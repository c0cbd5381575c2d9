"""Opens files that a user named, but only regular ones: reading a FIFO could block forever."""

import errno
import os
import stat
from pathlib import Path

_KINDS = (
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_regular(path: Path) -> None:
    """Raise OSError unless the path leads to a regular file; opens nothing."""
    _require(os.stat(path), str(path))


def open_regular(path: str, flags: int) -> int:
    """Open a regular file; an opener for `open(path, opener=open_regular)`.

    Other kinds of file are refused before they are opened, since opening can block or have side
    effects. If one replaces the file after that check, it is opened without blocking and refused.

    Raises:
        OSError: it is missing, not readable, or not a regular file.
    """
    _require(os.stat(path), path)
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _require(os.fstat(handle), path)
    except OSError:
        os.close(handle)
        raise
    return handle


def read_file(path: Path, max_bytes: int = -1) -> bytes:
    """The bytes of a regular file, at most max_bytes of them; a negative number means all.

    Raises:
        OSError: it is missing, not readable, or not a regular file.
    """
    with open(path, "rb", opener=open_regular) as file:
        data: bytes | None = file.read(max_bytes)
    if data is None:  # some files in /proc would block
        raise BlockingIOError(errno.EAGAIN, "has nothing to read yet", str(path))
    return data


def _require(status: os.stat_result, path: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "special")
    raise OSError(errno.EINVAL, f"is {kind}, not a regular file", path)
