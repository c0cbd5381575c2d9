"""Servers of one gallery tell each other that it has changed."""

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

_log = logging.getLogger(__name__)
_PAUSE = 1.0
_WAIT = 5.0
"""Seconds after which a silent connection is looked at; see connect."""


class GalleryNotices:
    """Notices on a channel of Redis. One that is lost costs only time: servers also look.

    Args:
        redis: a client of its own, since listening takes a connection for good.
        prefix: of the channel's name.
    """

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis, self._channel = redis, f"{prefix}:gallery"

    async def tell(self, version: int) -> None:
        """Says that a version was committed; goes on where Redis does not answer."""
        try:
            await self._redis.publish(self._channel, str(version))
        except (RedisError, OSError) as error:
            _log.warning("other servers are not told of version %d: %s", version, error)

    async def listen(self, heard: Callable[[], None]) -> None:
        """Calls `heard` for every notice, and whenever some may have been missed, until
        cancelled."""
        away = False
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self._channel)
                    if away:
                        _log.info("notices of the gallery's changes are heard again")
                    away = False
                    heard()
                    while True:
                        # What the notice says is not used: the gallery itself tells its version.
                        if await channel.get_message(timeout=_WAIT) is not None:
                            heard()
            except (RedisError, OSError) as error:
                if not away:
                    _log.warning("notices of the gallery's changes are not heard: %s", error)
                away = True
                await asyncio.sleep(_PAUSE)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._redis.aclose()
