"""The other servers of the same gallery, connected through Redis."""

import asyncio
import logging
from collections.abc import Callable

from partlens.explainer.spec import ModelSpec
from partlens.runtime.config.sections import RedisSection
from partlens.runtime.redis_connection import connect
from partlens.runtime.tasks import Report, end, keep_running
from partlens.server.features.cache import PictureCache, QueryCache
from partlens.server.observe.metrics import QueryMetrics
from partlens.server.sharing.notices import GalleryNotices
from partlens.server.sharing.shared_pictures import SharedPictures
from partlens.server.sharing.shared_queries import SharedQueries

_log = logging.getLogger(__name__)
_QUICK = 0.5
"""Time limit for fetching a query image from Redis, which must be faster than the model."""


class Peers:
    """Shares query images with the other servers, and exchanges notices of commits.

    Args:
        heard: called when another server has committed.
        report: called if listening fails.
    """

    def __init__(self, settings: RedisSection, heard: Callable[[], None], report: Report) -> None:
        self._settings = settings
        self._redis = connect(settings, _QUICK)
        self._notices = GalleryNotices(connect(settings), settings.prefix)
        self._listening = keep_running("peers", lambda: self._notices.listen(heard), report)
        self._telling: set[asyncio.Task[None]] = set()

    def share(self, near: QueryCache, spec: ModelSpec, metrics: QueryMetrics) -> QueryCache:
        """A cache shared by all servers, on top of this process's own."""
        return SharedQueries(near, self._redis, self._settings, spec, metrics)

    def share_pictures(self, near: PictureCache, spec: ModelSpec) -> PictureCache:
        """The same for the pictures of query images."""
        return SharedPictures(near, self._redis, self._settings, spec)

    def tell(self, version: int) -> None:
        """Announces a version to the other servers, without waiting."""
        task = asyncio.create_task(self._notices.tell(version))
        self._telling.add(task)
        task.add_done_callback(self._told)

    def _told(self, task: asyncio.Task[None]) -> None:
        self._telling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("other servers could not be notified", exc_info=error)

    async def close(self) -> None:
        """Close the connections."""
        await end(self._listening)
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._notices.close()
        await self._redis.aclose()
