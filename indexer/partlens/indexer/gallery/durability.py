"""Making files survive a crash, and one writer at a time."""

import fcntl
import os
from pathlib import Path
from types import TracebackType

from partlens.indexer.errors import LockedError


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_new(folder: Path, known: set[Path]) -> None:
    """Sync every file and folder below `folder` that is not known yet, and remember them.

    Files whose names are known never change; a folder is synced when a name in it is new.
    """
    for place, _, names in os.walk(folder, topdown=False):
        new = [path for name in names if (path := Path(place, name)) not in known]
        for path in new:
            sync(path)
        known.update(new)
        if new or Path(place) not in known:
            sync(Path(place))
            known.add(Path(place))
    sync(folder)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that after a crash it holds all of the old or all of the new content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


class WriterLock:
    """Held by the one process that may write; let go of by the system if that process dies.

    Raises:
        LockedError: another process, or another gallery object of this one, holds it.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._handle)
            raise LockedError(
                f"gallery {path.parent.name!r} is being written to by another process; wait until"
                " it has ended, or send the images to the server that has it open"
            ) from error

    def release(self) -> None:
        """Let the next writer in."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> "WriterLock":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
