"""Commits on a thread of their own, so that the model never waits for a disk."""

import queue
import threading
from collections.abc import Callable, Sequence
from types import TracebackType

from partlens.indexer.extraction import Batch

_WAITING = 8
"""Batches that may wait for the disk; bounds memory."""


class Commits:
    """Hands batches to `write`, in order; those that wait while it works share its next call.

    Leaving the context waits until every batch is written.

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
        while (first := self._waiting.get()) is not None:
            batches, last = self._with_waiting(first)
            # After an error the queue is only emptied, so that nobody waits to put into it.
            if self._error is None:
                try:
                    self._write(batches)
                except BaseException as error:
                    self._error = error
            if last:
                return

    def _with_waiting(self, first: Batch) -> tuple[list[Batch], bool]:
        """A batch with those that wait behind it, and whether no more will come."""
        batches = [first]
        while True:
            try:
                batch = self._waiting.get_nowait()
            except queue.Empty:
                return batches, False
            if batch is None:
                return batches, True
            batches.append(batch)
