"""Reading files slowly, so that whoever searches does not notice."""

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from partlens.indexer.gallery.home.home import File

_LARGEST_CHUNK, _SMALLEST_CHUNK = 2**20, 2**12
_CHUNKS_PER_SECOND = 20
_OPENING_BYTES = 2**12
"""What opening a file counts as."""


class StoppedError(Exception):
    """The pace was stopped."""


class Pace:
    """Reads files at up to so many bytes per second on average, until it is stopped.

    Args:
        bytes_per_second: above 0.
        read: called with the number of bytes of each chunk that was read.
    """

    def __init__(
        self, bytes_per_second: float, read: Callable[[int], None] = lambda _: None
    ) -> None:
        self._rate, self._read = bytes_per_second, read
        self._chunk = int(
            min(_LARGEST_CHUNK, max(_SMALLEST_CHUNK, bytes_per_second / _CHUNKS_PER_SECOND))
        )
        self._stopped = threading.Event()
        self._due = time.monotonic()

    def digest(self, file: File) -> str:
        """SHA-256 of a file, in hexadecimal.

        Raises:
            StoppedError: stop was called.
            OSError, UnreachableError: the file cannot be read.
        """
        found = hashlib.sha256()
        with file.open("rb", buffering=0) as content:
            if isinstance(file, Path):
                _tell_read_once(content.fileno())
            self._wait(_OPENING_BYTES)
            while chunk := content.read(self._chunk):
                found.update(chunk)
                self._read(len(chunk))
                self._wait(len(chunk))
        return found.hexdigest()

    def rest(self, seconds: float) -> None:
        """Wait; StoppedError as soon as stop is called."""
        if self._stopped.wait(seconds):
            raise StoppedError

    def require_going(self) -> None:
        """Raise StoppedError if stop was called."""
        self.rest(0)

    def stop(self) -> None:
        """End whatever goes on here, soon."""
        self._stopped.set()

    def _wait(self, size: int) -> None:
        now = time.monotonic()
        # What was not used in the past is not caught up with later.
        self._due = max(self._due, now) + size / self._rate
        self.rest(self._due - now)


def lower_priority() -> None:
    """Give the calling thread what processor time is left, where the system knows of threads."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def _tell_read_once(descriptor: int) -> None:
    """Keep what is read once from pushing what searches use out of memory (Linux 6.3 and later)."""
    with suppress(OSError, AttributeError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_NOREUSE)
