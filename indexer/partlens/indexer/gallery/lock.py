"""One process writes to a gallery at a time."""

import fcntl
import os
from pathlib import Path

from partlens.indexer.errors import LockedError


class WriterLock:
    """Held from acquire() until release() or the end of the process, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or keep it.

        Raises:
            LockedError: someone else holds it.
        """
        if self.held:
            return
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise LockedError(
                f"another process is writing to {self._path.parent}; readers are welcome, a second"
                " writer has to wait until it is done"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
