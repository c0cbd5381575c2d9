"""How many calls may be in progress."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError


class Admission:
    """Refuses calls at once when too many are in progress, rather than let all of them wait.

    Args:
        most: calls in progress at once.
    """

    def __init__(self, most: int) -> None:
        self._most, self.in_progress = most, 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises OverloadedError where there is no room."""
        if self.in_progress >= self._most:
            raise OverloadedError(
                f"{self._most} calls are in progress, as many as this server takes; try again"
            )
        self.in_progress += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_progress -= 1
            if not self.in_progress:
                self._idle.set()

    async def idle(self) -> None:
        """Returns when no call is in progress."""
        await self._idle.wait()
