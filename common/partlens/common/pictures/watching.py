"""Decoding that can be ended: the caller's question is asked wherever a decoder reads on."""

import io
from collections.abc import Callable
from typing import TypeVar

from partlens.common.waiting import RequireWaiting

T = TypeVar("T")


class _Ended(BaseException):
    """Passes through decoders, which take any Exception for damage."""


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


def while_waiting(require_waiting: RequireWaiting, work: Callable[[RequireWaiting], T]) -> T:
    """The result of work, which calls a function that ends it with what require_waiting raises."""
    reasons = list[Exception]()

    def check() -> None:
        try:
            return require_waiting()
        except Exception as error:
            reasons.append(error.with_traceback(None))
        raise _Ended

    try:
        return work(check)
    except _Ended:
        pass
    # Out here, so that the reason has no context: its frames would keep the image in memory.
    raise reasons.pop()
