"""Change notices between the servers of one gallery."""

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = logging.getLogger(__name__)
_PAUSE = 1.0
_WAIT = 5.0
"""Seconds after which a silent connection is checked; see connect."""


class GalleryNotices:
    """Notices on a Redis channel. A lost notice only causes a delay, since servers also poll.

    Args:
        redis: a separate client, since listening occupies a connection.
        prefix: prefix of the channel's name.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._channel = redis, f"{prefix}:gallery"

    async def tell(self, version: int) -> None:
        """Announces a committed version; continues if Redis does not answer."""
        try:
            await self._redis.publish(self._channel, str(version))
        except (RedisError, OSError) as error:
            _log.warning("cannot notify other servers of version %d: %s", version, error)

    async def listen(self, heard: Callable[[], None]) -> None:
        """Until cancelled, calls `heard` for every notice and whenever some may have been
        missed."""
        away = False
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._channel)
                    if away:
                        _log.info("receiving notices of gallery changes again")
                    away = False
                    heard()
                    while True:
                        # The notice's content is not used: the gallery itself has the version.
                        if await channel.get_message(timeout=_WAIT) is not None:
                            heard()
            except (RedisError, OSError) as error:
                if not away:
                    _log.warning("cannot receive notices of gallery changes: %s", error)
                away = True
                await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()
