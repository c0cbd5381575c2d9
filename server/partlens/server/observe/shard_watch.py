"""Looks whether every shard answers, so that health says so before a search fails."""

import asyncio
from collections.abc import Callable, Mapping

from partlens.indexer.gallery.fan_out import Shards
from partlens.server.observe.health import SHARDS, ServerHealth

_SECONDS = 5.0


async def watch_shards(health: ServerHealth, shards_of: Callable[[], Mapping[str, Shards]]) -> None:
    """Until cancelled: asks the shards of each gallery, and reports those that do not answer.

    Args:
        shards_of: the shards by the name of their gallery, of galleries that have some.
    """
    while True:
        for name, shards in shards_of().items():
            health.report(SHARDS, await asyncio.to_thread(shards.trouble), name)
        await asyncio.sleep(_SECONDS)
