"""Gives the handlers the engine, and runs its work on threads."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.scrub_record import beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.runtime.config.settings import Settings
from partlens.runtime.tasks import Report, run_to_its_end
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import CallerGoneError, NotReadyError
from partlens.server.features.batcher import Batcher
from partlens.server.features.cache import KeptQueries, QueryCache
from partlens.server.features.query_features import QueryFeatures
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.scrub_report import ScrubReport
from partlens.server.sharing.peers import Peers
from partlens.server.standing.standing import Standing

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _Loaded:
    """Everything that exists once the model and the gallery are loaded."""

    engine: Engine
    batcher: Batcher
    features: QueryFeatures
    standing: Standing
    peers: Peers | None
    scrubber: Scrubber | None


class Host:
    """Runs the engine's work on threads, so that the event loop stays free for callers.

    Attributes:
        settings: settings of the server.
        metrics: metrics of the server.
        stopping: set when the server begins to stop; long calls then end early.

    Args:
        tell_sound: called from any thread with True if the gallery has no known damage.
        report: called with the name of a background task that fails, and why.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        tell_sound: Callable[[bool], None],
        report: Report,
    ) -> None:
        self.settings, self.metrics, self._tell_sound = settings, metrics, tell_sound
        self._report = report
        self.stopping = asyncio.Event()
        self._readers = ThreadPoolExecutor(settings.server.workers, "partlens-work")
        # One thread is enough: the gallery serialises commits anyway.
        self._writer = ThreadPoolExecutor(1, "partlens-write")
        self._loaded: _Loaded | None = None

    async def load(self, make: Callable[[], Engine]) -> None:
        """Creates the engine on a thread; after this, calls are answered."""
        engine = await asyncio.get_running_loop().run_in_executor(self._writer, make)
        limits, model = self.settings.limits, engine.model.decompose_pixels
        wait = limits.pass_wait_ms / 1000
        batcher = Batcher(
            model, self.metrics.model, limits.pass_images, wait, limits.waiting_images
        )
        cache: QueryCache = KeptQueries(limits.kept_queries)
        peers = None
        if self.settings.redis.url:
            peers = Peers(self.settings.redis, engine.refresh_soon, self._report)
            cache = peers.share(cache, engine.spec, self.metrics.queries)
        features = QueryFeatures(engine.spec.digest, self.run, batcher, cache, self.metrics.queries)
        standing = Standing(engine.whole, self.settings, self.metrics.standing, self._report)
        scrubber = self._scrub(engine.whole)
        self._loaded = _Loaded(engine, batcher, features, standing, peers, scrubber)
        self.metrics.gallery.images.set_function(lambda: len(engine.gallery.view))
        self.metrics.gallery.version.set_function(lambda: engine.gallery.view.number)

    @property
    def batcher(self) -> Batcher:
        """The queue in front of the model; raises NotReadyError until it is loaded."""
        return self._ready().batcher

    @property
    def features(self) -> QueryFeatures:
        """Features of query images; raises NotReadyError until the model is loaded."""
        return self._ready().features

    @property
    def standing(self) -> Standing:
        """The standing queries; raises NotReadyError until they are loaded."""
        return self._ready().standing

    async def run(self, work: Callable[[Engine], T]) -> T:
        """Runs work on a reading thread, with the engine restricted to the caller's images.

        If the caller goes away, queued work is dropped and a running search ends soon.

        Raises:
            NotReadyError: the engine is not loaded yet.
            UnauthenticatedError, ForbiddenError: the caller's token was revoked meanwhile.
        """
        return await self._submit(self._readers, work)

    async def write(self, work: Callable[[Engine], T]) -> T:
        """The same on the one thread that changes the gallery.

        The audit log says first that it begins. Work that has begun finishes even if its caller is
        gone. Other servers are notified.

        Raises:
            AuditError: the audit log cannot be written; nothing was changed.
        """
        loop, peers = asyncio.get_running_loop(), self._ready().peers
        await calls.current().begin()

        def telling(engine: Engine) -> T:
            before = engine.gallery.view.number
            try:
                return work(engine)
            finally:
                version = engine.gallery.view.number
                if peers is not None and version != before:
                    loop.call_soon_threadsafe(peers.tell, version)

        return await self._submit(self._writer, telling)

    def ended_threads(self) -> list[str]:
        """Names of the threads that should still run."""
        if self._loaded is None:
            return []
        scrubber = self._loaded.scrubber
        alive = {
            "follower": self._loaded.engine.follows,
            "scrubber": scrubber is None or scrubber.alive,
        }
        return [name for name, runs in alive.items() if not runs]

    def begin_to_stop(self) -> None:
        """Ends long calls early."""
        self.stopping.set()
        if self._loaded is not None:
            self._loaded.standing.board.end()

    def _scrub(self, gallery: Gallery) -> Scrubber | None:
        report, server = ScrubReport(self.metrics.gallery, self._tell_sound), self.settings.server
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
        """Waits for running work, drops queued work, and closes the gallery."""
        loaded = self._loaded
        if loaded is not None:
            await loaded.standing.close()
            loaded.batcher.close()
        for executor in (self._readers, self._writer):
            executor.shutdown(cancel_futures=True)
        if loaded is not None:
            if loaded.scrubber is not None:
                await asyncio.to_thread(loaded.scrubber.close)
            loaded.engine.close()
            if loaded.peers is not None:
                await loaded.peers.close()

    def _ready(self) -> _Loaded:
        if self._loaded is None:
            raise NotReadyError("the server is still loading its model and gallery; try again")
        return self._loaded

    async def _submit(self, executor: Executor, work: Callable[[Engine], T]) -> T:
        call, engine, gone = calls.current(), self._ready().engine, threading.Event()
        call.require_allowed()

        def require_waiting() -> None:
            if gone.is_set():
                raise CallerGoneError("the caller cancelled, or its deadline has passed")

        context = contextvars.copy_context()
        seen = engine.within(call.caller.within, require_waiting)

        def inside() -> T:
            return context.run(work, seen)

        try:
            if executor is self._writer:
                return await run_to_its_end(executor, inside)
            return await asyncio.get_running_loop().run_in_executor(executor, inside)
        except asyncio.CancelledError:
            gone.set()
            raise
