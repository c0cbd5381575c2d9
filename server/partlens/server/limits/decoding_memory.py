"""The memory that pictures take while they are decoded, shared fairly by the callers."""

from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from partlens.common.budget import Budget, Share
from partlens.server.errors import CallerGoneError
from partlens.server.limits.shares import obtained

T = TypeVar("T")


class Hold:
    """Memory for one piece of work on a thread.

    A caller that leaves cannot stop the thread at once. The memory is free again when the work has
    ended, or at once if it has not begun.
    """

    def __init__(self, budget: Budget, share: Share) -> None:
        self._budget = budget
        # Taken out by the thread that begins the work, or by the caller that leaves before.
        self._unused = deque([share])

    def during(self, work: Callable[[], T]) -> T:
        """Do the work, then free the memory. To be called once, on any thread.

        Raises:
            CallerGoneError: the caller has left, and the memory with it.
        """
        try:
            share = self._unused.pop()
        except IndexError:
            raise CallerGoneError("the caller cancelled before its picture was decoded") from None
        try:
            return work()
        finally:
            self._budget.give_back(share)

    def leave(self) -> None:
        """Free the memory unless the work has begun."""
        with suppress(IndexError):
            self._budget.give_back(self._unused.pop())


class DecodingMemory:
    """Lets callers decode while there is memory for their pictures; the others wait in turn.

    A token has at most half of the memory, or one picture of any size.

    Args:
        whole: in bytes.
    """

    def __init__(self, whole: int) -> None:
        self._budget = Budget(whole)

    @property
    def whole(self) -> int:
        """All of the memory, in bytes."""
        return self._budget.whole

    @asynccontextmanager
    async def held(self, token: str, memory: int) -> AsyncIterator[Hold]:
        """Wait for memory; a caller that leaves meanwhile loses its place.

        Args:
            token: whose turn it is; "" on a server without tokens, whose callers share one turn.
            memory: bytes, at least 1 and at most the whole.
        """
        hold = Hold(self._budget, await obtained(self._budget, token, memory))
        try:
            yield hold
        finally:
            hold.leave()
