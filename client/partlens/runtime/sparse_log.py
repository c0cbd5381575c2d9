"""A log of events that a stranger can cause as often as they like."""

import logging
import threading
import time

_SECONDS = 10.0


class SparseLog:
    """Writes at most one record in 10 seconds, with the number of records left out before it.
    Safe to use from threads.

    Args:
        log: where to write.
        level: level of the records.
    """

    def __init__(self, log: logging.Logger, level: int = logging.WARNING) -> None:
        self._log, self._level = log, level
        self._lock, self._next, self._left_out = threading.Lock(), 0.0, 0

    def write(self, message: str, *values: object) -> None:
        """Write a record, or only count it."""
        with self._lock:
            now = time.monotonic()
            if now < self._next:
                self._left_out += 1
                return
            left_out, self._left_out, self._next = self._left_out, 0, now + _SECONDS
        more = f" (and {left_out} more like it)" if left_out else ""
        self._log.log(self._level, f"{message}%s", *values, more)
