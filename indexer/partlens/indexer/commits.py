"""Commits on a thread of their own, so that the model never waits for a disk."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from partlens.indexer.extraction import Batch

_WAITING = 8
"""Batches that may wait for the disk; bounds memory."""
_SECONDS = 2.0
"""Between the ends of two commits, unless there is enough for one before: each takes about 25 ms of
processor time for files, syncs and merging, however few images it has."""
_ENOUGH = 256
"""Images of one commit."""


class Commits:
    """Hands batches to `write`, in order; those of about two seconds share a call.

    A batch is written at once if there was no call for as long. Leaving the context writes what
    still waits, and returns when all is written.

    Args:
        write: called on the thread with one batch or more.

    Raises:
        whatever write raises, from the next `put` or when the context is left.
    """

    def __init__(self, write: Callable[[Sequence[Batch]], None]) -> None:
        self._write = write
        self._waiting: queue.Queue[Batch | None] = queue.Queue(_WAITING)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="partlens-commit", daemon=True)

    def put(self, batch: Batch) -> None:
        """Have a batch written; waits while too many are waiting already."""
        self._raise()
        self._waiting.put(batch)

    def __enter__(self) -> "Commits":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting.put(None)
        self._thread.join()
        if error is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        written = -math.inf
        while (first := self._waiting.get()) is not None:
            batches, last = self._with_next(first, written + _SECONDS)
            # After an error the queue is only emptied, so that nobody waits to put into it.
            if self._error is None:
                try:
                    self._write(batches)
                except BaseException as error:
                    self._error = error
            if last:
                return
            written = time.monotonic()

    def _with_next(self, first: Batch, until: float) -> tuple[list[Batch], bool]:
        """A batch with the next ones, up to _ENOUGH images, and whether no more will come.

        Args:
            until: time.monotonic() at which it has waited long enough for more.
        """
        batches = [first]
        while sum(len(one.images) + len(one.corrections) for one in batches) < _ENOUGH:
            try:
                batch = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return batches, False
            if batch is None:
                return batches, True
            batches.append(batch)
        return batches, False
