"""An ingest stream in a real Redis."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis_server import RedisServer
from tests.server.conftest import gallery, model, running

from partlens.ingest.stream import IngestStream
from partlens.runtime.config.sections import IngestSection
from partlens.runtime.redis_connection import connect

__all__ = ["gallery", "model", "running", "stream", "until"]
"""The first three are the fixtures of the server that workers bring pictures to."""


@pytest.fixture
async def stream(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[IngestStream]:
    """An empty stream; an entry's worker is taken for dead after a fifth of a second."""
    settings = IngestSection(batch=4, claim_seconds=0.2, waiting=50)
    made = IngestStream(connect(redis_server.settings), tmp_path.name, settings)
    await made.open()
    yield made
    await made.close()


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Returns once something holds."""
    end = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < end, "it did not come to hold"
        await asyncio.sleep(0.02)
