"""Where the services find the engine, and the threads that it works on."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar, cast

from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.scrub_record import beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.server.calls import call as calls
from partlens.server.config.settings import Settings
from partlens.server.engine import Engine
from partlens.server.errors import CallerGoneError, NotReadyError, UnknownQueryError
from partlens.server.limits.passes import FloatArray, Passes, Seen
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.tracing import tracer
from partlens.server.queries import KeptQueries, Query, QueryCache
from partlens.server.questions import Picture, Question, Source
from partlens.server.redis_client.peers import Peers
from partlens.server.scrub_report import ScrubReport
from partlens.server.standing.standing import Standing

T = TypeVar("T")
Q = TypeVar("Q", bound=Question)


class Host:
    """Runs the engine's work on threads, so that the event loop stays free for callers.

    Attributes:
        settings: of the server.
        metrics: of the server.
        stopping: set when the server begins to stop; long calls then end early.

    Args:
        tell_sound: called from any thread with whether no damage of the gallery is known.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, tell_sound: Callable[[bool], None]
    ) -> None:
        self.settings, self.metrics, self._tell_sound = settings, metrics, tell_sound
        self.stopping = asyncio.Event()
        self._engine: Engine | None = None
        self._readers = ThreadPoolExecutor(settings.server.workers, "partlens-work")
        # One thread: the gallery takes one commit at a time anyway.
        self._writer = ThreadPoolExecutor(1, "partlens-write")
        self._passes: Passes | None = None
        self._cache: QueryCache = KeptQueries(settings.limits.kept_queries)
        self._peers: Peers | None = None
        self._standing: Standing | None = None
        self._scrubber: Scrubber | None = None

    async def load(self, make: Callable[[], Engine]) -> None:
        """Makes the engine on a thread; from then on calls are answered."""
        engine = await asyncio.get_running_loop().run_in_executor(self._writer, make)
        limits, model = self.settings.limits, engine.model.decompose_pixels
        wait = limits.pass_wait_ms / 1000
        self._passes = Passes(model, self.metrics, limits.pass_images, wait, limits.waiting_images)
        if self.settings.redis.url:
            self._peers = Peers(self.settings.redis, engine.refresh_soon)
            self._cache = self._peers.share(self._cache, engine.spec, self.metrics)
        self._standing = Standing(engine.whole, self.settings, self.metrics)
        self._engine = engine
        self.metrics.gallery_images.set_function(engine.gallery.__len__)
        self.metrics.gallery_version.set_function(lambda: engine.gallery.version)
        self._scrubber = self._scrub(engine.whole)

    @property
    def standing(self) -> Standing:
        """The standing queries; raises NotReadyError where they are not loaded."""
        if self._standing is None:
            raise _not_ready()
        return self._standing

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

        What has begun ends there, even if its caller is gone. Other servers hear of a change.
        """
        loop = asyncio.get_running_loop()

        def telling(engine: Engine) -> T:
            before = engine.gallery.version
            try:
                return work(engine)
            finally:
                version = engine.gallery.version
                if self._peers is not None and version != before:
                    loop.call_soon_threadsafe(self._peers.tell, version)

        return await self._submit(self._writer, telling)

    async def decompose(self, pixels: FloatArray, *, patient: bool = False) -> Seen:
        """One preprocessed image [3, height, width] through the model; see Passes.decompose.

        Raises:
            NotReadyError: there is no model yet.
        """
        if self._passes is None:
            raise _not_ready()
        return await self._passes.decompose(pixels, patient=patient)

    async def asked(self, decode: Callable[[Engine], Q]) -> tuple[Q, Sequence[Query]]:
        """A question and its query images; those that are not kept go through the model.

        Args:
            decode: gives the question. It is called on the thread that looks for the images, as
                each way to a thread and back takes part of a millisecond.

        Raises:
            as decode, Engine.look, Engine.prepare and Passes.decompose.
            UnknownQueryError: a query id that is not kept.
        """

        def look(engine: Engine) -> tuple[Q, list[Query | str]]:
            question = decode(engine)
            return question, [engine.look(source) for source in question.images]

        with tracer.start_as_current_span("look at the query images"):
            question, looked = await self.run(look)
            return question, await asyncio.gather(*map(self._query, question.images, looked))

    def begin_to_stop(self) -> None:
        """Makes long calls end early."""
        self.stopping.set()
        if self._standing is not None:
            self._standing.board.end()

    def _scrub(self, gallery: Gallery) -> Scrubber | None:
        report, server = ScrubReport(self.metrics, self._tell_sound), self.settings.server
        if not server.scrub_bytes_per_second:
            for finding in gallery.damage:
                report.found(finding)
            return None
        record = beside(gallery.path.resolve())
        scrubber = Scrubber(
            gallery, record, report, server.scrub_bytes_per_second, server.scrub_every_seconds
        )
        report.earlier(scrubber.last)
        return scrubber

    async def close(self) -> None:
        """Waits for the work that has begun, drops what has not, and lets go of the gallery."""
        if self._standing is not None:
            await self._standing.close()
        if self._passes is not None:
            self._passes.close()
        for executor in (self._readers, self._writer):
            executor.shutdown(cancel_futures=True)
        if self._scrubber is not None:
            await asyncio.to_thread(self._scrubber.close)
        if self._engine is not None:
            self._engine.close()
        if self._peers is not None:
            await self._peers.close()

    async def _query(self, source: Source, looked: Query | str) -> Query:
        query = looked if isinstance(looked, Query) else await self._cache.find(looked)
        if query is None and not isinstance(source, Picture):
            raise UnknownQueryError(str(looked))
        self.metrics.query_lookups.labels("kept" if query else "unseen").inc()
        return query or await self._unseen(cast("Picture", source))

    async def _unseen(self, picture: Picture) -> Query:
        unseen = await self.run(lambda engine: engine.prepare(picture))
        seen = await self.decompose(unseen.pixels)
        query = Query(unseen.id, unseen.image_size, seen.contributions, seen.bias)
        await self._cache.keep(query)
        return query

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
