"""Files that are on disk, whole, when a function returns: also after a power cut."""

import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_all(folder: Path) -> None:
    """Wait until everything in a folder is on disk, and the folder's own list of names."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync(Path(place, name))
        sync(Path(place))


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Write a file that readers, and a machine that comes back, see old or new, never in between.

    Args:
        mode: its permissions, less the process's umask.

    Raises:
        OSError: the disk refused it; the old file stays.
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
    # The new name too: else a token that was revoked may come back.
    sync(path.parent)


def move_into_place(draft: Path, path: Path) -> None:
    """Give a folder that was written under another name its own: it is there whole, or not at all.

    Raises:
        OSError: there is something at this place, or the disk refused it.
    """
    sync_all(draft)
    draft.rename(path)
    sync(path.parent)
