"""Gives the handlers the engine, and runs its work on threads."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from partlens.common.budget import Budget
from partlens.explainer.errors import ImageError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.scrub_record import beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.runtime.config.settings import Settings
from partlens.runtime.tasks import Report
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import CallerGoneError, NotReadyError, StoppingError
from partlens.server.features.batcher import Batcher
from partlens.server.features.cache import (
    KeptPictures,
    KeptQueries,
    PictureCache,
    QueryCache,
)
from partlens.server.features.query_features import QueryFeatures
from partlens.server.limits.decoding_memory import DecodingMemory
from partlens.server.limits.holders import share_of
from partlens.server.limits.turns import Turns
from partlens.server.observe.indexing import IndexingReport
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
        uploading: bytes of uploads in memory.
        stopping: set when the server begins to stop; long calls then end early.
        indexing: progress of indexing a folder while the server runs.

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
        indexing: IndexingReport,
    ) -> None:
        self.settings, self.metrics, self._tell_sound = settings, metrics, tell_sound
        self._report, self.indexing = report, indexing
        self.stopping = asyncio.Event()
        server, limits = settings.server, settings.limits
        # Threads of their own for short reads, searches and pictures: none waits for the others.
        self._looking = Turns("partlens-look", server.read_workers)
        self._working = Turns("partlens-work", server.workers)
        self._decoding = Turns("partlens-decode", server.decoding_workers)
        # A PDF takes seconds, and much memory.
        self._reporting = Turns("partlens-report", 1)
        self._decoding_memory = DecodingMemory(limits.decoding_bytes)
        # One thread is enough: the gallery serialises commits anyway.
        self._writing = Turns("partlens-write", 1)
        most = limits.upload_bytes
        self.uploading = Budget(most, share_of(most, limits.token_share))
        self._loaded: _Loaded | None = None

    async def load(self, make: Callable[[], Engine]) -> None:
        """Creates the engine on a thread; after this, calls are answered."""
        engine = await self._writing.run("", make)
        limits, model = self.settings.limits, engine.model.decompose_pixels
        wait = limits.pass_wait_ms / 1000
        batcher = Batcher(
            model, self.metrics.model, limits.pass_images, wait, limits.waiting_images
        )
        # One image at least, or its query id would be unknown in the next call.
        one = 4 * engine.spec.dimensions * (engine.spec.positions + 1)
        most_bytes = max(limits.kept_query_bytes, one)
        cache: QueryCache = KeptQueries(limits.kept_queries, most_bytes)
        pictures: PictureCache = KeptPictures(limits.kept_picture_bytes)
        peers = None
        if self.settings.redis.url:
            peers = Peers(self.settings.redis, engine.refresh_soon, self._report)
            cache = peers.share(cache, engine.spec, self.metrics.queries)
            pictures = peers.share_pictures(pictures, engine.spec)
        features = QueryFeatures(
            engine.spec.digest, self.run, self.decode, batcher, cache, pictures,
            self.metrics.queries,
        )  # fmt: skip
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

    @property
    def gallery(self) -> Gallery:
        """The whole gallery, for upkeep; raises NotReadyError until it is loaded."""
        return self._ready().engine.whole

    async def run(self, work: Callable[[Engine], T]) -> T:
        """Runs a search or an explanation on a thread, with the engine restricted to the caller's
        images.

        Callers take turns. If the caller goes away, queued work is dropped and a running search
        ends soon.

        Raises:
            NotReadyError: the engine is not loaded yet.
            UnauthenticatedError, ForbiddenError: the caller's token was revoked meanwhile.
        """
        return await self._submit(self._working, work)

    async def look(self, work: Callable[[Engine], T]) -> T:
        """The same for a read that takes milliseconds, on threads that no search uses."""
        return await self._submit(self._looking, work)

    async def decode(self, memory: Callable[[Engine], int], work: Callable[[Engine], T]) -> T:
        """The same for work that decodes pictures, on threads of its own, when there is memory.

        Callers take turns. Memory is in use until the work ends, which may be after its caller has
        gone.

        Args:
            memory: bytes that the work will take, from the pictures' headers. Work that takes none
                does not wait.

        Raises:
            ImageError: the work would take more memory than all pictures together may.
        """
        taken = await self.look(memory)
        if not taken:
            return await self.run(work)
        whole = self._decoding_memory.whole
        if taken > whole:
            raise ImageError(
                f"decoding it takes {taken} bytes of memory, and all pictures together have"
                f" {whole} (limits.decoding_bytes): save it smaller, or as PNG or JPEG"
            )
        async with self._decoding_memory.held(calls.current().caller.token, taken) as hold:
            return await self._submit(
                self._decoding, lambda engine: hold.during(lambda: work(engine))
            )

    async def report(self, work: Callable[[Engine], T]) -> T:
        """The same for writing a report, one at a time and on a thread that no search uses.

        Raises:
            StoppingError: the server stops before the report is written.
        """

        def stopping(engine: Engine) -> T:
            def require_waiting() -> None:
                caller_waits()
                if self.stopping.is_set():
                    raise StoppingError("the server is stopping; ask for the report again")

            caller_waits, engine.require_waiting = engine.require_waiting, require_waiting
            return work(engine)

        return await self._submit(self._reporting, stopping)

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

        return await self._submit(self._writing, telling)

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
        for turns in (
            self._looking,
            self._working,
            self._decoding,
            self._reporting,
            self._writing,
        ):
            turns.close()
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

    async def _submit(self, turns: Turns, work: Callable[[Engine], T]) -> T:
        call, engine, gone = calls.current(), self._ready().engine, threading.Event()
        call.require_allowed()

        def require_waiting() -> None:
            if gone.is_set():
                raise CallerGoneError("the caller cancelled, or its deadline has passed")

        context = contextvars.copy_context()
        seen = engine.within(call.caller.within, require_waiting)

        def inside() -> T:
            require_waiting()
            return context.run(work, seen)

        try:
            if turns is self._writing:
                return await turns.run_to_its_end(call.caller.token, inside, gone.set)
            return await turns.run(call.caller.token, inside)
        except asyncio.CancelledError:
            gone.set()
            raise
