"""Uploaded images that wait for a commit: few enough for memory, as many as came for one write."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import StoppingError
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


class Inbox:
    """Receives a stream of uploads while the commit before is being written.

    Whoever takes gets all that has arrived meanwhile, so a commit's cost is shared by as many
    images as come in while it lasts, and a single image never waits for others.
    """

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._waiting: list[UpsertImagesRequest] = []
        self._bytes = 0
        self._error: Exception | None = None
        self._ended = False
        self._changed = asyncio.Condition()

    async def fill(self, requests: AsyncIterator[UpsertImagesRequest]) -> None:
        """Receives until the stream ends; waits while there is no room."""
        try:
            async for request in requests:
                async with self._changed:
                    await self._changed.wait_for(self._has_room)
                    self._waiting.append(request)
                    self._bytes += len(request.data)
                    self._changed.notify_all()
            await self.end(None)
        except Exception as error:
            await self.end(error)

    async def end(self, error: Exception | None) -> None:
        """No more will come; whoever takes gets what is here, then the error if there is one."""
        async with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    async def take(self) -> list[UpsertImagesRequest]:
        """All that has arrived, at least one; none when the stream is at its end.

        Raises:
            StoppingError: the server began to stop, and all that had arrived was taken.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._waiting or self._ended)
            taken, self._waiting, self._bytes = self._waiting, [], 0
            self._changed.notify_all()
        if not taken and self._error is not None:
            raise self._error
        return taken

    def _has_room(self) -> bool:
        return len(self._waiting) < self._most and self._bytes < self._most_bytes


@asynccontextmanager
async def receiving(
    requests: AsyncIterator[UpsertImagesRequest], limits: LimitsSection, stopping: asyncio.Event
) -> AsyncIterator[Inbox]:
    """An inbox that fills from a stream until that ends or the server begins to stop."""
    inbox = Inbox(limits.upsert_batch, limits.upsert_batch_bytes)
    filling = asyncio.create_task(inbox.fill(requests))

    async def end_when_stopping() -> None:
        await stopping.wait()
        filling.cancel()
        await inbox.end(
            StoppingError("the server is stopping; send what was not acknowledged again later")
        )

    watching = asyncio.create_task(end_when_stopping())
    try:
        yield inbox
    finally:
        for task in (filling, watching):
            task.cancel()
        await asyncio.gather(filling, watching, return_exceptions=True)
