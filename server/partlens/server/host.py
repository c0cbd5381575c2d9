"""Where the services find the engine, and the threads that it works on."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from partlens.server.calls import call as calls
from partlens.server.config.settings import Settings
from partlens.server.engine import Engine
from partlens.server.errors import CallerGoneError, NotReadyError
from partlens.server.limits.passes import FloatArray, Passes, Seen
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.tracing import tracer
from partlens.server.queries import Query, Unseen
from partlens.server.questions import Source

T = TypeVar("T")


class Host:
    """Runs the engine's work on threads, so that the event loop stays free for callers.

    Attributes:
        settings: of the server.
        metrics: of the server.
        stopping: set when the server begins to stop; long calls then end early.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.stopping = asyncio.Event()
        self._engine: Engine | None = None
        self._readers = ThreadPoolExecutor(settings.server.workers, "partlens-work")
        # One thread: the gallery takes one commit at a time anyway.
        self._writer = ThreadPoolExecutor(1, "partlens-write")
        self._passes: Passes | None = None

    async def load(self, make: Callable[[], Engine]) -> None:
        """Makes the engine on a thread; from then on calls are answered."""
        engine = await asyncio.get_running_loop().run_in_executor(self._writer, make)
        limits, model = self.settings.limits, engine.model.decompose_pixels
        wait = limits.pass_wait_ms / 1000
        self._passes = Passes(model, self.metrics, limits.pass_images, wait, limits.waiting_images)
        self._engine = engine
        self.metrics.gallery_images.set_function(engine.gallery.__len__)
        self.metrics.gallery_version.set_function(lambda: engine.gallery.version)

    async def run(self, work: Callable[[Engine], T]) -> T:
        """What work gives for the engine as the caller may use it, on one of the reading threads.

        If the caller goes away, work that waits is dropped and a search that runs ends soon.

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

    async def decompose(self, pixels: FloatArray, *, patient: bool = False) -> Seen:
        """One preprocessed image [3, height, width] through the model; see Passes.decompose.

        Raises:
            NotReadyError: there is no model yet.
        """
        if self._passes is None:
            raise _not_ready()
        return await self._passes.decompose(pixels, patient=patient)

    async def queries(self, sources: Sequence[Source]) -> Sequence[Query]:
        """The query images of a question; those that are not kept go through the model.

        Raises:
            as Engine.look and Passes.decompose.
        """
        with tracer.start_as_current_span("look at the query images"):
            looked = await self.run(lambda engine: [engine.look(source) for source in sources])
            return await asyncio.gather(*(self._query(one) for one in looked))

    def close(self) -> None:
        """Waits for the work that has begun, drops what has not, and lets go of the gallery."""
        if self._passes is not None:
            self._passes.close()
        for executor in (self._readers, self._writer):
            executor.shutdown(cancel_futures=True)
        if self._engine is not None:
            self._engine.close()

    async def _query(self, looked: Query | Unseen) -> Query:
        kept = isinstance(looked, Query)
        self.metrics.query_lookups.labels("kept" if kept else "unseen").inc()
        if isinstance(looked, Query):
            return looked
        seen = await self.decompose(looked.pixels)
        return self._loaded().keep(looked, seen.contributions, seen.bias)

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise _not_ready()
        return self._engine

    async def _submit(self, executor: Executor, work: Callable[[Engine], T]) -> T:
        call, engine, gone = calls.current(), self._loaded(), threading.Event()
        call.require_allowed()

        def require_waiting() -> None:
            if gone.is_set():
                raise CallerGoneError("the caller cancelled, or its deadline is over")

        context = contextvars.copy_context()
        seen = engine.within(call.caller.within, require_waiting)

        def inside() -> T:
            return context.run(work, seen)

        try:
            return await asyncio.get_running_loop().run_in_executor(executor, inside)
        except asyncio.CancelledError:
            gone.set()
            raise


def _not_ready() -> NotReadyError:
    return NotReadyError("the server is still loading its model and gallery; try again")
