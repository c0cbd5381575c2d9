"""Long work for a caller that may leave."""

from collections.abc import Callable

RequireWaiting = Callable[[], None]
"""Raises if nobody waits for the result any longer; long work calls it between its steps."""


def wait_always() -> None:
    """A RequireWaiting of callers that always wait."""
