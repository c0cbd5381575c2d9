"""Where the services find the engine, and the threads that it works on."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from partlens.server.calls import call as calls
from partlens.server.config.settings import Settings
from partlens.server.engine import Engine
from partlens.server.errors import NotReadyError

T = TypeVar("T")


class Host:
    """Runs the engine's work on threads, so that the event loop stays free for callers.

    Attributes:
        settings: of the server.
        stopping: set when the server begins to stop; long calls then end early.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = asyncio.Event()
        self._engine: Engine | None = None
        self._readers = ThreadPoolExecutor(settings.server.workers, "partlens-work")
        # One thread: the gallery takes one commit at a time anyway.
        self._writer = ThreadPoolExecutor(1, "partlens-write")

    async def load(self, make: Callable[[], Engine]) -> None:
        """Makes the engine on a thread; from then on calls are answered."""
        self._engine = await asyncio.get_running_loop().run_in_executor(self._writer, make)

    async def run(self, work: Callable[[Engine], T]) -> T:
        """What work gives for the engine as the caller may use it, on one of the reading threads.

        Raises:
            NotReadyError: there is no engine yet.
            UnauthenticatedError, ForbiddenError: the caller's token was revoked meanwhile.
        """
        return await self._submit(self._readers, work)

    async def write(self, work: Callable[[Engine], T]) -> T:
        """The same on the one thread that changes the gallery.

        What has begun ends there, even if its caller is gone.
        """
        return await self._submit(self._writer, work)

    def close(self) -> None:
        """Waits for the work that has begun, and drops what has not."""
        for executor in (self._readers, self._writer):
            executor.shutdown(cancel_futures=True)

    async def _submit(self, executor: Executor, work: Callable[[Engine], T]) -> T:
        if self._engine is None:
            raise NotReadyError("the server is still loading its model and gallery; try again")
        call = calls.current()
        call.require_allowed()
        context, engine = contextvars.copy_context(), self._engine.within(call.caller.within)

        def inside() -> T:
            return context.run(work, engine)

        return await asyncio.get_running_loop().run_in_executor(executor, inside)
