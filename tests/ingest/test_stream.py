"""What is in the stream is what waits or is being worked on: nothing is lost, nothing stays."""

import asyncio
from pathlib import Path

from redis_server import RedisServer
from tests.ingest.conftest import until

from partlens.ingest.event import IngestEvent
from partlens.ingest.stream import IngestStream, Lag
from partlens.runtime.config.sections import IngestSection
from partlens.runtime.redis_connection import connect


async def push(stream: IngestStream, *ids: str) -> None:
    for id in ids:
        await stream.push(IngestEvent(id=id), b"picture of " + id.encode())


async def counts(stream: IngestStream) -> tuple[int, int, int]:
    lag = await stream.lag()
    return lag.waiting, lag.taken, lag.dead


def other(redis: RedisServer, folder: Path) -> IngestStream:
    settings = IngestSection(batch=4, claim_seconds=0.2, waiting=50)
    return IngestStream(connect(redis.settings), folder.name, settings)


async def test_entries_come_once_in_order_and_leave_when_done(stream: IngestStream) -> None:
    await push(stream, "a", "b", "c", "d", "e")
    assert await counts(stream) == (5, 0, 0)
    first, second = await stream.read(0.1), await stream.read(0.1)
    assert [one.fields[b"image"][-1:] for one in (*first, *second)] == [
        b"a",
        b"b",
        b"c",
        b"d",
        b"e",
    ]
    assert await stream.read(0.01) == []
    assert await counts(stream) == (0, 5, 0)
    await stream.done([one.id for one in first])
    assert await counts(stream) == (0, 1, 0)
    await stream.done([one.id for one in second])
    assert await stream.lag() == Lag(0, 0, 0.0, 0)


async def test_the_lag_tells_the_age_of_the_oldest(stream: IngestStream) -> None:
    await push(stream, "a")
    await asyncio.sleep(0.3)
    await push(stream, "b")
    assert 0.25 < (await stream.lag()).oldest_seconds < 5


async def test_what_a_silent_worker_holds_is_taken_over_once(
    stream: IngestStream, redis_server: RedisServer, tmp_path: Path
) -> None:
    await push(stream, *"abc")
    held = await stream.read(0.1)
    heir = other(redis_server, tmp_path)
    assert await heir.claim() is None  # not silent for long enough
    for _ in range(3):
        await asyncio.sleep(0.15)
        await stream.hold([one.id for one in held])
        assert await heir.claim() is None
    await asyncio.sleep(0.3)
    taken = [await heir.claim() for _ in range(4)]
    assert [one and (one.id, one.deliveries) for one in taken] == [
        *((one.id, 2) for one in held),
        None,
    ]
    await heir.close()


async def test_a_producer_waits_while_the_stream_is_full(stream: IngestStream) -> None:
    await push(stream, *map(str, range(50)))
    late = asyncio.create_task(push(stream, "late"))
    await asyncio.sleep(0.4)
    assert not late.done() and (await stream.lag()).waiting == 50
    await stream.done([one.id for one in await stream.read(0.1)])
    await asyncio.wait_for(late, 5)
    assert (await stream.lag()).waiting == 47


async def test_a_worker_leaves_the_list_only_with_empty_hands(
    stream: IngestStream, redis_server: RedisServer
) -> None:
    await push(stream, "a")
    (entry,) = await stream.read(0.1)
    with redis_server.client as client:
        await stream.leave()
        assert client.xinfo_stream(stream.name, full=True)["groups"][0]["consumers"]
        await stream.done([entry.id])
        await stream.leave()
        assert not client.xinfo_stream(stream.name, full=True)["groups"][0]["consumers"]


async def test_entries_from_before_the_first_worker_count(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    early = other(redis_server, tmp_path)
    await push(early, "a")
    assert (await early.lag()).waiting == 1
    await early.open()
    assert len(await early.read(0.1)) == 1

    async def emptied() -> bool:
        return (await early.lag()).taken == 1

    await until(emptied)
    await early.close()
