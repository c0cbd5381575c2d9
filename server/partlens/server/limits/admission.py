"""Limits the number of calls in progress."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError

# Calls that last as long as the caller likes; they are counted separately.
_KINDS = {
    "/partlens.v1.GalleryService/UpsertImages": "stream",
    "/partlens.v1.StandingQueryService/WatchMatches": "watch",
}
_NAMES = {"call": "calls", "stream": "streams of uploads", "watch": "watchers of matches"}


class Admission:
    """Refuses calls immediately when too many are in progress, instead of queueing them.

    Args:
        most: most calls in progress, by kind: call, stream (of uploads) and watch (for matches).
        gauge: number of calls in progress, by kind.
    """

    def __init__(self, most: Mapping[str, int], gauge: Gauge) -> None:
        self._most, self._gauge = most, gauge
        self._now = dict.fromkeys(_NAMES, 0)
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises OverloadedError if the limit is reached."""
        kind = _KINDS.get(call.method, "call")
        if self._now[kind] >= self._most[kind]:
            raise OverloadedError(
                f"{self._most[kind]} {_NAMES[kind]} are in progress, the most this server allows;"
                " try again"
            )
        gauge = self._gauge.labels(kind)
        self._now[kind] += 1
        gauge.inc()
        self._idle.clear()
        try:
            yield
        finally:
            self._now[kind] -= 1
            gauge.dec()
            if not any(self._now.values()):
                self._idle.set()

    async def idle(self) -> None:
        """Returns when no call is in progress."""
        await self._idle.wait()
