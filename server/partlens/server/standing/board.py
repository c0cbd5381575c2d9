"""Where matches are put up as they are found, and where whoever watches takes them from."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from partlens.server.errors import OverloadedError, StoppingError
from partlens.server.observe.metrics import Metrics
from partlens.server.standing.matcher import Matcher, StandingMatch

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.25
_WAITING = 256
"""Notes that may wait for one watcher; bounds memory."""


@dataclass(frozen=True, eq=False)
class Note:
    """What one look at the gallery found.

    Attributes:
        revision: of the newest image that was looked at.
        matches: of the images that were new, in order of their revisions.
    """

    revision: int
    matches: Sequence[StandingMatch]


class Board:
    """Looks at the gallery whenever it has changed, by whomever, and tells all who watch."""

    def __init__(self, matcher: Matcher, metrics: Metrics) -> None:
        self._matcher, self._metrics = matcher, metrics
        self._thread = ThreadPoolExecutor(1, "partlens-standing")
        self._version, self._revision = matcher.version, matcher.newest
        self._watching: set[asyncio.Queue[Note | None]] = set()
        self._stopped = False
        self._task = asyncio.create_task(self._look_on())

    @property
    def revision(self) -> int:
        """Of the newest image that was looked at."""
        return self._revision

    async def watch(self, after: int | None = None) -> AsyncGenerator[Note]:
        """What is found from now on, or in images of a later revision; never misses one.

        Raises:
            OverloadedError: the watcher fell behind; watch again after the last revision seen.
            StoppingError: the server began to stop.
        """
        mine: asyncio.Queue[Note | None] = asyncio.Queue(_WAITING)
        self._watching.add(mine)
        try:
            seen = self._revision
            if after is not None and after < seen:
                earlier = await self._look(after)
                seen = earlier.revision
                yield earlier
            while True:
                if self._stopped:
                    raise StoppingError("the server is stopping; watch again later")
                note = await mine.get()
                if note is None:
                    if self._stopped:
                        continue
                    raise OverloadedError(
                        "matches were found faster than they were taken; watch again after the"
                        " last revision seen"
                    )
                # The look above may have found some of these already.
                yield replace(note, matches=[m for m in note.matches if m.revision > seen])
        finally:
            self._watching.discard(mine)

    def end(self) -> None:
        """Ends all watching."""
        self._stopped = True
        self._task.cancel()
        for queue in self._watching:
            _force(queue)

    async def close(self) -> None:
        """The same, and waits for what is being looked at."""
        self.end()
        await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown(cancel_futures=True)

    async def _look_on(self) -> None:
        while True:
            try:
                version = self._matcher.version
                if version != self._version:
                    with self._metrics.standing_seconds.time():
                        note = await self._look(self._revision)
                    self._version, self._revision = version, note.revision
                    self._metrics.standing_matches.inc(len(note.matches))
                    self._tell(note)
            except Exception:
                # Whatever it is, the same images are looked at again.
                _log.exception("new images cannot be scored against the standing queries")
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self, after: int) -> Note:
        loop = asyncio.get_running_loop()
        return Note(*await loop.run_in_executor(self._thread, self._matcher.since, after))

    def _tell(self, note: Note) -> None:
        for queue in list(self._watching):
            try:
                queue.put_nowait(note)
            except asyncio.QueueFull:
                self._watching.discard(queue)
                _force(queue)


def _force(queue: "asyncio.Queue[Note | None]") -> None:
    """Makes the watcher see that there is no more, be its queue full or not."""
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
