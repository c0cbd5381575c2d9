"""Ingest workers that are killed again and again under load lose and duplicate nothing."""

import asyncio
import os

import numpy as np
import pytest
from redis_server import running_redis
from tests.ingest.conftest import gallery, model, running, until
from tests.ingest.test_worker import ids, push, started
from tests.server.conftest import Running

from partlens.ingest.stream import IngestStream
from partlens.runtime.config.sections import IngestSection
from partlens.runtime.redis_connection import connect

__all__ = ["gallery", "model", "running"]

KILLS = int(os.environ.get("PARTLENS_TEST_KILLS", "12"))
IMAGES = 20
"""For each kill."""


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_killed_workers_lose_no_picture(
    running: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random = np.random.default_rng(int(os.environ.get("PARTLENS_TEST_SEED", "1")))
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        stream = IngestStream(connect(server.settings), "load", IngestSection())
        await stream.open()

        async def held() -> bool:
            return (await stream.lag()).taken > 0

        async def settled() -> bool:
            lag = await stream.lag()
            return lag.waiting == lag.taken == 0

        for kill in range(KILLS):
            await push(stream, range(kill * IMAGES, (kill + 1) * IMAGES))
            async with started(server, "load", running.address) as worker:
                await until(held, 60)
                await asyncio.sleep(float(random.uniform(0, 0.3)))
                await worker.kill()
        async with started(server, "load", running.address):
            await until(settled, 120)
        found, lag = await ids(running), await stream.lag()
        await stream.close()
    print(f"{KILLS} kills: {len(found)} images, {lag.dead} dead letters")
    assert len(found) == len(set(found))
    # An entry whose workers die again and again is kept as a dead letter.
    assert len(found) + lag.dead == KILLS * IMAGES and lag.dead <= IMAGES
