"""Leaves Redis alone for a while after a failure, so that callers do not wait in vain."""

import logging
import time

_log = logging.getLogger(__name__)
_PAUSE = 1.0
"""Seconds."""


class Pausing:
    """Whether to use Redis now.

    Args:
        purpose: what it is used for, in the plural, for the log.
    """

    def __init__(self, purpose: str) -> None:
        self._purpose, self._again_at = purpose, 0.0

    @property
    def answers(self) -> bool:
        """False for a while after a failure."""
        return time.monotonic() >= self._again_at

    def failed(self, error: Exception) -> None:
        """Begin a pause."""
        _log.warning("cannot use Redis for %s: %s", self._purpose, error)
        self._again_at = time.monotonic() + _PAUSE
