"""How measurements report their progress."""

from collections.abc import Callable

Report = Callable[[int], None]
"""Called with the number of images or pairs done so far."""


def ignore(done: int) -> None:
    """A report to nobody."""
