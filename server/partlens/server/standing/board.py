"""Publishes matches to watchers as they are found."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial

from partlens.runtime.tasks import Report, end, keep_running
from partlens.server.errors import CallerGoneError, OverloadedError, StoppingError
from partlens.server.observe.metrics import StandingFigures
from partlens.server.standing.matcher import Matcher, StandingMatch

_LOOK_SECONDS = 0.25
_WAITING, _WAITING_MATCHES = 256, 20_000
"""Notes that may wait for one watcher, and matches in them if there are several; bounds memory."""
_PART_IMAGES = 512
"""Earlier images scanned for one watcher before others have their turn."""


@dataclass(frozen=True, eq=False)
class Note:
    """Result of one scan of new images.

    Attributes:
        revision: revision of the newest image scanned.
        matches: matches among the new images, in order of revision.
    """

    revision: int
    matches: Sequence[StandingMatch]


class Board:
    """Scans the gallery after every change, by any process, and notifies all watchers."""

    def __init__(self, matcher: Matcher, metrics: StandingFigures, report: Report) -> None:
        self._matcher, self._metrics = matcher, metrics
        self._thread = ThreadPoolExecutor(1, "partlens-standing")
        self._version, self._revision = matcher.version, matcher.newest
        # With the number of matches that wait in each.
        self._watching: dict[asyncio.Queue[Note | None], int] = {}
        self._stopped = False
        self._task = keep_running("matcher", self._look_on, report)

    @property
    def revision(self) -> int:
        """Revision of the newest image scanned."""
        return self._revision

    async def watch(self, after: int | None = None) -> AsyncGenerator[Note]:
        """Matches from now on, or of images with a later revision than `after`; misses none.

        Raises:
            OverloadedError: the watcher fell behind; watch again after the last revision seen.
            StoppingError: the server began to stop.
        """
        mine: asyncio.Queue[Note | None] = asyncio.Queue(_WAITING)
        self._watching[mine] = 0
        try:
            seen = self._revision
            if after is not None and after < seen:
                async with aclosing(self._earlier(after, seen)) as earlier:
                    async for part in earlier:
                        seen = part.revision
                        yield part
            while True:
                if self._stopped:
                    raise StoppingError("the server is stopping; watch again later")
                note = await mine.get()
                if note is None:
                    if self._stopped:
                        continue
                    raise OverloadedError(
                        "the watcher is too slow for the rate of matches; watch again after the"
                        " last revision seen"
                    )
                if mine in self._watching:
                    self._watching[mine] -= len(note.matches)
                # The scan above may have found some of these already.
                yield replace(note, matches=[m for m in note.matches if m.revision > seen])
        finally:
            self._watching.pop(mine, None)

    def end(self) -> None:
        """Ends all watching."""
        self._stopped = True
        self._task.cancel()
        for queue in self._watching:
            _force(queue)

    async def close(self) -> None:
        """Ends all watching, and waits for the running scan."""
        self.end()
        await end(self._task)
        self._thread.shutdown(cancel_futures=True)

    async def _look_on(self) -> None:
        # After an error, the same images are scanned again.
        while True:
            version = self._matcher.version
            while version != self._version:
                with self._metrics.seconds.time():
                    note = await self._look(self._revision, _PART_IMAGES)
                if note.revision == self._revision:
                    self._version = version
                    break
                self._revision = note.revision
                self._metrics.matches.inc(len(note.matches))
                self._tell(note)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _earlier(self, after: int, until: int) -> AsyncGenerator[Note]:
        """Matches of earlier images, a part at a time, so that new images are scanned between."""
        while after < until:
            note = await self._look(after, _PART_IMAGES)
            if note.revision == after:
                return
            after = note.revision
            yield note

    async def _look(self, after: int, most: int | None = None) -> Note:
        loop, gone = asyncio.get_running_loop(), threading.Event()

        def require_waiting() -> None:
            if gone.is_set():
                raise CallerGoneError("the watcher is gone")

        scan = partial(self._matcher.since, after, most, require_waiting)
        try:
            return Note(*await loop.run_in_executor(self._thread, scan))
        except asyncio.CancelledError:
            gone.set()
            raise

    def _tell(self, note: Note) -> None:
        for queue, waiting in list(self._watching.items()):
            too_many = waiting > 0 and waiting + len(note.matches) > _WAITING_MATCHES
            if queue.full() or too_many:
                del self._watching[queue]
                _force(queue)
            else:
                queue.put_nowait(note)
                self._watching[queue] += len(note.matches)


def _force(queue: "asyncio.Queue[Note | None]") -> None:
    """Signals the end to a watcher, after the last note that it took.

    It must not get later notes without earlier ones: it resumes after the last that it saw.
    """
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)
