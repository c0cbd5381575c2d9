"""Durable writes: once a function returns, the whole file survives a power cut."""

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """Flush a folder to disk: everything in it, and its own list of names."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, if they are missing; on disk when this returns."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Replace a file so that readers, even after a crash, see the old content or the new.

    Args:
        mode: permissions, before the process's umask.

    Raises:
        OSError: the write failed; the old file stays.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    # Flush the new name too, or a revoked token may come back after a power cut.
    sync(path.parent)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file within the block; other processes and threads wait.

    The file is created next to what it protects, and stays. The system releases the lock of a
    process that dies.

    Raises:
        OSError: the file cannot be opened or locked.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def is_draft(path: Path, of: str) -> bool:
    """Whether a file is a draft that write_atomically makes of a file of this name.

    >>> is_draft(Path(".a.json.12-0123abcd"), "a.json"), is_draft(Path(".a.json.old"), "a.json")
    (True, False)
    """
    return re.fullmatch(rf"\.{re.escape(of)}\.[0-9]+-[0-9a-f]{{8}}", path.name) is not None


def move_into_place(draft: Path, path: Path) -> None:
    """Rename a finished draft folder, so that the folder appears whole or not at all.

    Raises:
        OSError: the path already exists, or the rename failed.
    """
    sync_all(draft)
    draft.rename(path)
    sync(path.parent)
