"""Progress of indexing a folder while the server runs, for GetGallery."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class IndexingProgress:
    """How far indexing a folder has come.

    Attributes:
        done: images handled so far: indexed, unchanged or skipped.
        total: images to handle; 0 while they are being counted.
        skipped: images that could not be read.
        finished: whether indexing has ended.
        problem: why it ended early; "" otherwise.
    """

    done: int = 0
    total: int = 0
    skipped: int = 0
    finished: bool = False
    problem: str = ""


class IndexingReport:
    """The latest progress; thread-safe. One thread indexes and sets `now`, calls read it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: IndexingProgress | None = None

    @property
    def now(self) -> IndexingProgress | None:
        """The latest progress; None if nothing has been indexed."""
        with self._lock:
            return self._now

    @now.setter
    def now(self, progress: IndexingProgress) -> None:
        with self._lock:
            self._now = progress
