"""An ingest worker: sends entries of the stream to the server, and acknowledges them afterwards."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress

from redis.exceptions import RedisError

from partlens.client import Upload
from partlens.ingest.errors import EntryError, UploadError
from partlens.ingest.event import read
from partlens.ingest.metrics import IngestMetrics
from partlens.ingest.stream import Entry, IngestStream
from partlens.ingest.uploader import Uploader
from partlens.runtime.config.sections import IngestSection
from partlens.runtime.tasks import end, keep_running

_log = logging.getLogger(__name__)
_READ_SECONDS = 1.0
_REDIS_PAUSE = 1.0
_LAST_WAIT = 2.0
"""Seconds to wait for Redis once the worker should stop; longer than a read waits."""
_LAG_SECONDS = 5.0

Taken = tuple[Entry, Upload]


class Worker:
    """An ingest worker; any number may run on one stream.

    Each entry is acknowledged once the server has its image on disk. Until then it stays in the
    stream under this worker's name. If the worker dies, another takes the entry over and sends it
    again, which replaces the image with itself.
    """

    def __init__(
        self,
        stream: IngestStream,
        uploader: Uploader,
        settings: IngestSection,
        metrics: IngestMetrics,
    ) -> None:
        self._stream, self._uploader = stream, uploader
        self._settings, self._metrics = settings, metrics
        self._held: dict[bytes, Entry] = {}
        self._look_at = 0.0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Make run return once its entries are done, or as soon as the server makes it wait."""
        self._stopping.set()

    async def run(self) -> None:
        """Run until stopped; resumes after Redis or the server was down."""
        async with _beside(holding=self._holding, reporting=self._reporting):
            work = asyncio.create_task(self._work())
            try:
                await self._ended(work)
            finally:
                await end(work)
            if not work.cancelled():
                work.result()
        with suppress(RedisError, OSError):  # TimeoutError is an OSError
            await asyncio.wait_for(self._stream.leave(), _LAST_WAIT)

    async def _ended(self, work: asyncio.Task[None]) -> None:
        """Wait for the work to end; once stopped, while it holds entries, or else 2 seconds.

        If Redis does not answer, it may have assigned more entries to this worker; others take
        them over.
        """
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await asyncio.wait((work,), timeout=_LAST_WAIT)
        while self._held and not work.done():
            await asyncio.wait((work,), timeout=_LAST_WAIT)

    async def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._round()
            except (RedisError, OSError) as error:
                # Held entries stay held: a new delivery would count as a dead worker.
                _log.warning("Redis does not answer: %s", error)
                await self._pause(_REDIS_PAUSE)

    async def _round(self) -> None:
        await self._stream.open()
        await self._resume()
        while not self._stopping.is_set():
            if time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + self._settings.claim_seconds / 2
                await self._take_over()
            entries = await self._stream.read(_READ_SECONDS)
            await self._deliver(await self._readable(entries))

    async def _resume(self) -> None:
        """Resume the entries held when Redis went down, except those that others took over."""
        if self._held:
            ours = await self._stream.ours()
            self._held = {id: entry for id, entry in self._held.items() if id in ours}
            await self._deliver(await self._readable(list(self._held.values())))

    async def _take_over(self) -> None:
        """Take over entries of dead workers one by one, since one may have killed its worker."""
        while not self._stopping.is_set() and (entry := await self._stream.claim()):
            if entry.deliveries > self._settings.attempts:
                await self._bury(
                    entry,
                    "WORKER_DIED",
                    f"{entry.deliveries - 1} workers ended while they held it",
                )
            else:
                _log.info("taken over from another worker: entry %s", entry.id.decode())
                await self._deliver(await self._readable([entry]))

    async def _readable(self, entries: Sequence[Entry]) -> list[Taken]:
        uploads = []
        for entry in entries:
            self._held[entry.id] = entry
            try:
                uploads.append((entry, read(entry.fields)))
            except EntryError as error:
                await self._bury(entry, "ENTRY_MALFORMED", f"it {error}")
        return uploads

    async def _deliver(self, uploads: Sequence[Taken]) -> None:
        """Send these to the server, however long that takes."""
        left, failures = list(uploads), 0
        while left:
            try:
                await self._uploader.require_ready()
                left = await self._send(left)
            except UploadError as error:
                _log.warning("%d pictures could not be sent: %s", len(left), error)
                await self._pause(error.retry_seconds)
                if self._stopping.is_set():
                    return
                left = [one for one in left if one[0].id in self._held]
                if not error.at_fault:
                    continue
                if len(left) > 1:
                    # One of them may have broken the call: send each separately.
                    for one in left:
                        await self._deliver([one])
                    return
                failures += 1
                if failures >= self._settings.attempts and left:
                    await self._bury(left[0][0], "SERVER_FAILED", str(error))
                    return

    async def _send(self, uploads: Sequence[Taken]) -> list[Taken]:
        """Send in one call; returns the uploads without an answer."""
        done: list[bytes] = []
        try:
            async for answer in self._uploader.upsert([upload for _, upload in uploads]):
                entry, _ = uploads[answer.index]
                if answer.committed:
                    done.append(entry.id)
                else:
                    await self._bury(entry, answer.reason, answer.message)
        finally:
            await self._stream.done(done)
            self._metrics.entries.labels("committed").inc(len(done))
            for id in done:
                self._held.pop(id, None)
        return [one for one in uploads if one[0].id in self._held]

    async def _bury(self, entry: Entry, reason: str, message: str) -> None:
        await self._stream.bury(entry, reason, message)
        self._held.pop(entry.id, None)
        self._metrics.entries.labels("dead").inc()
        _log.warning("entry %s is a dead letter: %s: %s", entry.id.decode(), reason, message)

    async def _holding(self) -> None:
        while True:
            await asyncio.sleep(self._settings.claim_seconds / 3)
            with suppress(RedisError, OSError):
                await self._stream.hold(list(self._held))

    async def _reporting(self) -> None:
        while True:
            with suppress(RedisError, OSError):
                self._metrics.report(await self._stream.lag())
            await asyncio.sleep(_LAG_SECONDS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


@asynccontextmanager
async def _beside(**works: Callable[[], Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """Run background tasks until the context ends."""
    tasks = [keep_running(name, work) for name, work in works.items()]
    try:
        yield
    finally:
        await end(*tasks)
