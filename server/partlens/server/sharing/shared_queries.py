"""Query images that all servers of a gallery share through Redis."""

import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from partlens.explainer.spec import ModelSpec
from partlens.runtime.config.sections import RedisSection
from partlens.server.errors import EntryError
from partlens.server.features.cache import QueryCache
from partlens.server.observe.metrics import QueryMetrics
from partlens.server.query_images.query import Query
from partlens.server.sharing.pausing import Pausing
from partlens.server.sharing.query_codec import decode, encode

_log = logging.getLogger(__name__)


class SharedQueries:
    """A QueryCache with two levels: this process's cache, then Redis.

    Without Redis, it works like this process's cache.

    Args:
        near: cache of this process.
        spec: model that produces the features.
    """

    def __init__(
        self,
        near: QueryCache,
        redis: Redis,
        settings: RedisSection,
        spec: ModelSpec,
        metrics: QueryMetrics,
    ) -> None:
        self._near, self._redis, self._settings, self._spec = near, redis, settings, spec
        self._results = metrics.shared_lookups
        self._redis_use = Pausing("query images")

    async def find(self, id: str) -> Query | None:
        """The query image with this id; None if no server has it."""
        if (query := await self._near.find(id)) or not self._redis_use.answers:
            return query
        key = self._key(id)
        try:
            entry = await self._redis.getex(key, ex=self._settings.query_seconds)
            if not isinstance(entry, bytes):
                self._results.labels("absent").inc()
                return None
            query = decode(entry, id, self._spec)
        except EntryError as error:
            _log.warning("skipped Redis entry %s: it %s", key, error)
            self._results.labels("refused").inc()
            return None
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._results.labels("found").inc()
        await self._near.keep(query)
        return query

    async def keep(self, query: Query) -> None:
        """Keeps a query image here and for the other servers."""
        await self._near.keep(query)
        if not self._redis_use.answers:
            return
        try:
            await self._redis.set(
                self._key(query.id), encode(query), ex=self._settings.query_seconds
            )
        except (RedisError, OSError) as error:
            self._failed(error)

    def _key(self, id: str) -> str:
        return f"{self._settings.prefix}:query:{id}"

    def _failed(self, error: Exception) -> None:
        self._results.labels("failed").inc()
        self._redis_use.failed(error)
