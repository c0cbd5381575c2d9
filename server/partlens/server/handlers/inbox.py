"""Uploaded images that wait for a commit; bounded, so that they fit in memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.common.budget import Budget, Share
from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls import call as calls
from partlens.server.errors import StoppingError
from partlens.server.limits.shares import obtained
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


class Inbox:
    """Receives a stream of uploads while the previous commit is being written.

    `take` returns all images that have arrived meanwhile, so they share the cost of one commit, and
    a single image never waits for others.

    Args:
        most, most_bytes: most messages that wait, and most bytes of them.
        budget: bytes of the messages of all streams, until they are committed.
        holder: token of the caller.
    """

    def __init__(self, most: int, most_bytes: int, budget: Budget, holder: str) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._budget, self._holder = budget, holder
        self._waiting: list[tuple[UpsertImagesRequest, Share]] = []
        self._bytes = 0
        self._taken: list[Share] = []
        self._error: Exception | None = None
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, requests: AsyncIterator[UpsertImagesRequest]) -> None:
        """Receives until the stream ends; waits while the inbox is full."""
        try:
            async for request in requests:
                size = request.ByteSize()
                async with self._changed:
                    await self._changed.wait_for(self._has_room)
                # A message larger than the budget is let in when nothing else is.
                amount = max(1, min(size, self._budget.whole))
                share = await obtained(self._budget, self._holder, amount)
                try:
                    async with self._changed:
                        self._waiting.append((request, share))
                        self._bytes += size
                        self._changed.notify_all()
                except asyncio.CancelledError:
                    self._budget.give_back(share)
                    raise
            await self.end(None)
        except Exception as error:
            await self.end(error)

    async def end(self, error: Exception | None) -> None:
        """Marks the end: `take` returns what is left, then raises the error if there is one."""
        async with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    async def take(self) -> list[UpsertImagesRequest]:
        """All images that have arrived, at least one; empty at the end of the stream. Those that
        were taken before no longer count against the budget.

        Raises:
            StoppingError: the server is stopping, and everything that arrived was taken.
        """
        self._release()
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            taken = [request for request, _ in self._waiting]
            self._taken = [share for _, share in self._waiting]
            self._waiting, self._bytes = [], 0
            self._changed.notify_all()
        error = None if taken else self._error
        try:
            if error is not None:
                raise error
        finally:
            # The traceback holds this frame and that of fill, with a message: no cycle may stay.
            del error
        return taken

    def close(self) -> None:
        """Drops what waits."""
        self._taken += [share for _, share in self._waiting]
        self._waiting, self._error = [], None
        self._release()

    def _release(self) -> None:
        for share in self._taken:
            self._budget.give_back(share)
        self._taken = []

    def _has_room(self) -> bool:
        return len(self._waiting) < self._most and self._bytes < self._most_bytes


@asynccontextmanager
async def receiving(
    requests: AsyncIterator[UpsertImagesRequest],
    limits: LimitsSection,
    budget: Budget,
    stopping: asyncio.Event,
) -> AsyncIterator[Inbox]:
    """An inbox that fills from a stream until the stream ends or the server begins to stop."""
    holder = calls.current().caller.token
    inbox = Inbox(limits.upsert_batch, limits.upsert_batch_bytes, budget, holder)
    filling = asyncio.create_task(inbox.fill(requests))

    async def end_when_stopping() -> None:
        await stopping.wait()
        filling.cancel()
        await inbox.end(StoppingError("the server is stopping; resend unacknowledged images later"))

    watching = asyncio.create_task(end_when_stopping())
    try:
        yield inbox
    finally:
        for task in (filling, watching):
            task.cancel()
        await asyncio.gather(filling, watching, return_exceptions=True)
        inbox.close()
