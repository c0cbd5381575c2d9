"""How many calls may be in progress."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Gauge

from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError

_STREAM = "/partlens.v1.GalleryService/UpsertImages"


class Admission:
    """Refuses calls at once when too many are in progress, rather than let all of them wait.

    A stream of uploads lasts as long as its camera does, and is counted apart.

    Args:
        calls: in progress at once.
        streams: of uploads, in progress at once.
        gauge: told how many are in progress, by kind.
    """

    def __init__(self, calls: int, streams: int, gauge: Gauge) -> None:
        self._gauge = gauge
        self._most = {False: calls, True: streams}
        self._now = {False: 0, True: 0}
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises OverloadedError where there is no room."""
        stream = call.method == _STREAM
        most = self._most[stream]
        if self._now[stream] >= most:
            what = "streams of uploads" if stream else "calls"
            raise OverloadedError(
                f"{most} {what} are in progress, as many as this server takes; try again"
            )
        gauge = self._gauge.labels("stream" if stream else "call")
        self._now[stream] += 1
        gauge.inc()
        self._idle.clear()
        try:
            yield
        finally:
            self._now[stream] -= 1
            gauge.dec()
            if not any(self._now.values()):
                self._idle.set()

    async def idle(self) -> None:
        """Returns when no call is in progress."""
        await self._idle.wait()
