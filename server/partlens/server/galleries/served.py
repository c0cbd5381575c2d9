"""One gallery of a server, with everything that answers calls about it."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from partlens.explainer.errors import ImageError
from partlens.indexer.gallery import Gallery, NewImage
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.runtime.config.settings import Settings
from partlens.server.access.confined_gallery import Added
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import StoppingError
from partlens.server.features.query_features import QueryFeatures
from partlens.server.galleries.models import SharedModel
from partlens.server.galleries.shared_commits import SharedCommits, Upload
from partlens.server.galleries.threads import Threads
from partlens.server.messages.encoding import Encoder
from partlens.server.observe.metrics import GalleryFigures, Metrics
from partlens.server.sharing.peers import Peers
from partlens.server.standing.standing import Standing

T = TypeVar("T")


class ServedGallery:
    """A gallery and its model. A call keeps the one that it began with.

    Attributes:
        name: its own name.
        settings: settings of the server.
        metrics: metrics of the server.
        figures: metrics of this gallery.
        batcher: the queue in front of its model.
        features: features of query images.
        encoder: encodes answers.
        standing: its standing queries.
        stopping: set when the server begins to stop; long calls then end early.

    Args:
        peers: other servers to notify of commits; None for none.
        scrubber: reads its files to find damage; None if that is switched off.
    """

    def __init__(
        self,
        name: str,
        engine: Engine,
        threads: Threads,
        model: SharedModel,
        standing: Standing,
        settings: Settings,
        metrics: Metrics,
        stopping: asyncio.Event,
        peers: Peers | None,
        scrubber: Scrubber | None,
    ) -> None:
        self.name, self.settings, self.metrics = name, settings, metrics
        self.standing, self.batcher, self.stopping = standing, model.batcher, stopping
        self.figures: GalleryFigures = metrics.gallery.of(name)
        self.figures.images.set_function(lambda: len(engine.gallery.view))
        self.figures.version.set_function(lambda: engine.gallery.view.number)
        self.encoder = Encoder(engine.spec)
        self._engine, self._threads, self._peers, self._scrubber = engine, threads, peers, scrubber
        self._commits = SharedCommits(settings.limits.upsert_batch)
        self.features = QueryFeatures(
            engine.spec.digest, self.run, self.decode, self.batcher, model.queries, model.pictures,
            metrics.queries,
        )  # fmt: skip

    @property
    def whole(self) -> Gallery:
        """The gallery with all its images, for upkeep."""
        return self._engine.whole

    async def run(self, work: Callable[[Engine], T]) -> T:
        """Runs a search or an explanation on a thread; see Threads.submit."""
        return await self._threads.submit(self._threads.working, self._engine, work)

    async def look(self, work: Callable[[Engine], T]) -> T:
        """The same for a read that takes milliseconds, on threads that no search uses."""
        return await self._threads.submit(self._threads.looking, self._engine, work)

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
        whole = self._threads.decoding_memory.whole
        if taken > whole:
            raise ImageError(
                f"decoding it takes {taken} bytes of memory, and all pictures together have"
                f" {whole} (limits.decoding_bytes): save it smaller, or as PNG or JPEG"
            )
        token = calls.current().caller.token
        async with self._threads.decoding_memory.held(token, taken) as hold:
            return await self._threads.submit(
                self._threads.decoding,
                self._engine,
                lambda engine: hold.during(lambda: work(engine)),
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

        return await self._threads.submit(self._threads.reporting, self._engine, stopping)

    async def add(self, images: Sequence[NewImage], note: Callable[[Added, int], None]) -> None:
        """Adds images, in one commit with those of other calls that wait for theirs.

        Args:
            note: called with what became of the images and the gallery's version then; even if the
                caller is gone meanwhile, as long as a commit has the images.

        Raises:
            AuditError: see write.
            GalleryError: see Gallery.add.
        """
        upload = Upload(images, calls.current().caller.within)

        def begin() -> None:
            calls.current().require_allowed()
            self._commits.join(upload)

        try:
            await self.write(partial(self._commits.commit, upload), begin)
        finally:
            if not self._commits.leave(upload):
                added = asyncio.wrap_future(upload.added)
                await asyncio.wait([added])
                if added.exception() is None:
                    note(*added.result())

    async def write(
        self, work: Callable[[Engine], T], begin: Callable[[], None] = lambda: None
    ) -> T:
        """The same on the one thread that changes galleries.

        The audit log says first that it begins. Work that has begun finishes even if its caller is
        gone. Other servers are notified.

        Args:
            begin: called once the audit log says so; what it raises ends the call.

        Raises:
            AuditError: the audit log cannot be written; nothing was changed.
        """
        loop, peers = asyncio.get_running_loop(), self._peers
        await calls.current().begin()
        begin()

        def telling(engine: Engine) -> T:
            before = engine.gallery.view.number
            try:
                return work(engine)
            finally:
                version = engine.gallery.view.number
                if peers is not None and version != before:
                    loop.call_soon_threadsafe(peers.tell, version)

        return await self._threads.submit(self._threads.writing, self._engine, telling)

    def refresh_soon(self) -> None:
        """Look for commits of other processes now."""
        self._engine.refresh_soon()

    def ended_threads(self) -> list[str]:
        """Names of its threads that should still run."""
        scrubber = self._scrubber
        alive = {
            "follower": self._engine.follows,
            "scrubber": scrubber is None or scrubber.alive,
        }
        return [f"{name} of {self.name}" for name, runs in alive.items() if not runs]

    def close(self) -> None:
        """Ends its threads, and closes the gallery. Blocks."""
        if self._scrubber is not None:
            self._scrubber.close()
        self._engine.close()
