"""Decoding that can be ended: the caller's question is asked wherever a decoder reads on."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager

RequireWaiting = Callable[[], None]
"""Raises if nobody waits for the result any longer."""


def wait_always() -> None:
    """A RequireWaiting of callers that always wait."""


class _Ended(BaseException):
    """Carries an error past decoders, which take any Exception for damage."""

    def __init__(self, reason: Exception) -> None:
        self.reason = reason


class WatchedFile(io.BytesIO):
    """Encoded bytes; each read asks whether someone still waits for them.

    Pillow's decoders read 64 KiB at once, which are 64 MiB of pixels at most.
    """

    def __init__(self, data: bytes, require_waiting: RequireWaiting) -> None:
        super().__init__(data)
        self._require_waiting = require_waiting

    def read(self, size: int | None = -1, /) -> bytes:
        """See io.BytesIO."""
        self._require_waiting()
        return super().read(size)


@contextmanager
def ending(require_waiting: RequireWaiting) -> Iterator[RequireWaiting]:
    """A function that ends the block from anywhere in it with what require_waiting raises."""

    def check() -> None:
        try:
            require_waiting()
        except Exception as error:
            raise _Ended(error) from error

    try:
        yield check
    except _Ended as ended:
        raise ended.reason from None
