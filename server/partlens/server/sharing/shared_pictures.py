"""Pictures of query images that all servers of a gallery share through Redis."""

import hashlib
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from partlens.explainer.spec import ModelSpec
from partlens.runtime.config.sections import RedisSection
from partlens.server.features.cache import PictureCache
from partlens.server.query_images.query_id import query_id
from partlens.server.sharing.pausing import Pausing

_log = logging.getLogger(__name__)


class SharedPictures:
    """A PictureCache with two levels: this process's cache, then Redis.

    A query id is a digest of its picture, so nobody can put another one into Redis. Without Redis,
    it works like this process's cache.

    Args:
        near: cache of this process.
        spec: model of the query ids.
    """

    def __init__(
        self, near: PictureCache, redis: Redis, settings: RedisSection, spec: ModelSpec
    ) -> None:
        self._near, self._redis, self._settings, self._spec = near, redis, settings, spec
        self._redis_use = Pausing("pictures of query images")

    async def find(self, id: str) -> bytes | None:
        """The picture of a query id; None if no server has it."""
        picture = await self._near.find(id)
        if picture is not None or not self._redis_use.answers:
            return picture
        key, most = self._key(id), self._settings.picture_bytes
        try:
            entry = await self._redis.getrange(key, 0, most)
            if entry:
                await self._redis.expire(key, self._settings.query_seconds)
        except (RedisError, OSError) as error:
            self._redis_use.failed(error)
            return None
        if not isinstance(entry, bytes) or not entry:
            return None
        if id != query_id(self._spec.digest, "data", hashlib.sha256(entry).digest()):
            _log.warning("skipped Redis entry %s: it is not the picture of its query id", key)
            return None
        await self._near.keep(id, entry)
        return entry

    async def keep(self, id: str, picture: bytes) -> None:
        """Keeps a picture here and, unless it is too large, for the other servers."""
        await self._near.keep(id, picture)
        if len(picture) > self._settings.picture_bytes or not self._redis_use.answers:
            return
        try:
            # Sent only if Redis does not have it.
            if not await self._redis.expire(self._key(id), self._settings.query_seconds):
                await self._redis.set(self._key(id), picture, ex=self._settings.query_seconds)
        except (RedisError, OSError) as error:
            self._redis_use.failed(error)

    def _key(self, id: str) -> str:
        return f"{self._settings.prefix}:picture:{id}"
