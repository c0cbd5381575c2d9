"""Commands on the ingest stream."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
from redis.exceptions import RedisError

from partlens.ingest.stream import IngestStream
from partlens.runtime.config.cli import clear_errors
from partlens.runtime.config.settings import Settings
from partlens.runtime.redis_connection import connect

T = TypeVar("T")


def with_stream(settings: Settings, work: Callable[[IngestStream], Awaitable[T]]) -> T:
    """Do something with the stream that the settings name.

    Raises:
        ClickException: Redis does not answer, or what `work` raises on purpose.
    """

    async def connected() -> T:
        stream = IngestStream(connect(settings.redis), settings.redis.prefix, settings.ingest)
        try:
            return await work(stream)
        finally:
            await stream.close()

    try:
        with clear_errors():
            return asyncio.run(connected())
    except (RedisError, OSError) as error:
        raise click.ClickException(
            f"Redis does not answer at {settings.redis.url}: {error}"
        ) from error
