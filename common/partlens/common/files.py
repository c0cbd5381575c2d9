"""Opens files that a user named, but only regular ones: reading a FIFO could block forever."""

import errno
import os
import re
import stat
from pathlib import Path, PurePosixPath

# Arrow and Lance give only the number, FAISS only the text.
_NO_DESCRIPTOR = re.compile(
    rf"(?:os error|errno) (?:{errno.EMFILE}|{errno.ENFILE})\b"
    rf"|{re.escape(os.strerror(errno.EMFILE))}|{re.escape(os.strerror(errno.ENFILE))}"
)

# Needs no right to list the folder.
_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
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


def read_below(folder: Path, path: PurePosixPath, max_bytes: int) -> bytes:
    """The bytes of a regular file below a folder, at most max_bytes of them.

    Links are followed only to places below the folder, even if others change the path meanwhile.

    Args:
        path: relative to the folder, without "..".

    Raises:
        OSError: it is missing, not readable, not below the folder, or not a regular file.
    """
    root = os.path.realpath(folder)
    real = os.path.realpath(os.path.join(root, path))
    if ".." in path.parts or path.is_absolute() or not PurePosixPath(real).is_relative_to(root):
        raise PermissionError(errno.EACCES, f"is not below {root}", real)
    parts = PurePosixPath(real).relative_to(root).parts
    # From here on no link is followed: what was resolved is opened, or nothing.
    held = os.open(root, _FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=held)
            os.close(held)
            held = inner
        name = parts[-1] if parts else "."
        _require(os.stat(name, dir_fd=held, follow_symlinks=False), real)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
        handle = os.open(name, flags, dir_fd=held)
    finally:
        os.close(held)
    with open(handle, "rb") as file:
        _require(os.fstat(handle), real)
        data: bytes | None = file.read(max_bytes)
    if data is None:
        raise BlockingIOError(errno.EAGAIN, "has nothing to read yet", real)
    return data


def lacks_descriptors(error: BaseException) -> bool:
    """Whether an error, or one that caused it, only says that no file descriptor is left for this
    process or the system. It tells nothing of the file."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in (errno.EMFILE, errno.ENFILE):
            return True
        if _NO_DESCRIPTOR.search(str(cause)):
            return True
        cause = cause.__cause__
    return False


def _require(status: os.stat_result, path: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "special")
    raise OSError(errno.EINVAL, f"is {kind}, not a regular file", path)
