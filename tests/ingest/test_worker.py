"""Workers over a real Redis and a real server: acknowledged means on disk, whoever dies."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from redis_server import RedisServer, running_redis
from tests.ingest.conftest import until
from tests.server.conftest import DEADLINE, Running, picture, settings

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.ingest.event import IngestEvent
from partlens.ingest.metrics import IngestMetrics
from partlens.ingest.stream import IngestStream
from partlens.ingest.uploader import Uploader
from partlens.ingest.worker import Worker
from partlens.runtime.config.sections import IngestSection, RedisSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.redis_connection import connect
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import create
from partlens.server.app import create_server
from partlens.v1 import gallery_service_pb2 as pb


def section(server: str, **values: object) -> IngestSection:
    quick = {"batch": 4, "claim_seconds": 0.5, "attempts": 2, "server": server}
    return IngestSection.model_validate(quick | values)


@asynccontextmanager
async def working(stream: IngestStream, used: IngestSection) -> AsyncIterator[IngestMetrics]:
    """A worker of this process."""
    uploader, metrics = Uploader(used), IngestMetrics()
    worker = Worker(stream, uploader, used, metrics)
    task = asyncio.create_task(worker.run())
    try:
        yield metrics
    finally:
        worker.stop()
        await asyncio.wait_for(task, DEADLINE)
        await uploader.close()


async def push(stream: IngestStream, numbers: range) -> None:
    for number in numbers:
        event = IngestEvent(id=f"i{number:03}", camera=f"cam{number % 2}")
        await stream.push(event, picture(number))


async def settled(stream: IngestStream) -> bool:
    lag = await stream.lag()
    return lag.waiting == lag.taken == 0


async def ids(running: Running) -> list[str]:
    request = pb.ListImagesRequest(page_size=500)
    answer = await running.gallery.ListImages(request, timeout=DEADLINE)
    return [image.id for image in answer.images]


def letters(server: RedisServer, stream: IngestStream) -> list[dict[str, str]]:
    with server.client as client:
        found: Any = client.xrange(stream.dead_letters.name)
    return [
        {key.decode(): value.decode(errors="replace") for key, value in fields.items()}
        for _, fields in found
    ]


async def test_pictures_reach_the_gallery_and_poison_the_dead_letters(
    running: Running, stream: IngestStream, redis_server: RedisServer
) -> None:
    await push(stream, range(6))
    await stream.push(IngestEvent(id="broken"), b"no picture")
    with redis_server.client as client:
        client.xadd(stream.name, {"event": '{"camera": "c"}', "image": picture(1)})
        client.xadd(stream.name, {"photo": picture(1)})
    await stream.push(IngestEvent(id="a\nb"), picture(1))
    await push(stream, range(6, 9))
    async with working(stream, section(running.address)) as metrics:
        await until(lambda: settled(stream))
    assert await ids(running) == [f"i{number:03}" for number in range(9)]
    reasons = [(one["reason"], one["message"]) for one in letters(redis_server, stream)]
    assert sorted(reason for reason, _ in reasons) == [
        *3 * ["ENTRY_MALFORMED"],
        "IMAGE_INVALID",
    ]
    for problem in ("id: Field required", "no field 'event'", "contains a control character"):
        assert problem in repr(reasons)
    sample = metrics.registry.get_sample_value
    for result, count in (("committed", 9), ("dead", 4)):
        assert sample("partlens_ingest_entries_total", {"result": result}) == count


async def test_a_picture_too_large_for_the_server_harms_no_other(
    running: Running, stream: IngestStream, redis_server: RedisServer
) -> None:
    # 256 KiB and 64 KiB are the most that this server lets gRPC receive.
    await push(stream, range(2))
    await stream.push(IngestEvent(id="huge"), bytes(400_000))
    await push(stream, range(2, 5))
    async with working(stream, section(running.address)):
        await until(lambda: settled(stream))
    assert await ids(running) == [f"i{number:03}" for number in range(5)]
    (letter,) = letters(redis_server, stream)
    assert letter["reason"] == "SERVER_FAILED" and "over a limit of the server" in letter["message"]


async def test_a_server_that_is_away_is_waited_for(
    model: MetricModel, gallery: Gallery, tmp_path: Path, stream: IngestStream
) -> None:
    await push(stream, range(5))
    first = create_server(model, gallery, settings())
    address = f"127.0.0.1:{await first.start()}"
    await first.stop(0)
    async with working(stream, section(address)):
        await asyncio.sleep(0.5)
        assert (await stream.lag()).taken == 4  # held, and given up by nobody
        back = create_server(
            model, Gallery.open(gallery.path), settings(server={"listen": address})
        )
        await back.start()
        await until(lambda: settled(stream))
    assert len(Gallery.open(gallery.path).view) == 5
    assert (await stream.lag()).dead == 0
    await back.stop(0)


async def test_a_token_that_may_not_ingest_loses_nothing(
    model: MetricModel, gallery: Gallery, tmp_path: Path, stream: IngestStream
) -> None:
    tokens, file = TokenFile(tmp_path / "tokens.json"), tmp_path / "token"
    wrong, text = create("desk", frozenset({"search"}))
    tokens.add(wrong)
    file.write_text(text)
    server = create_server(model, gallery, settings(access={"tokens": tokens.path}))
    address = f"127.0.0.1:{await server.start()}"
    await push(stream, range(3))
    async with working(stream, section(address, token_file=file)):
        await asyncio.sleep(1.5)
        lag = await stream.lag()
        assert (lag.taken, lag.dead) == (3, 0)
        right, text = create("gate", frozenset({"ingest"}), frozenset({"cam0"}))
        tokens.add(right)
        file.write_text(text)
        await until(lambda: settled(stream))
    assert sorted(image.id for image in gallery.view.list()) == ["i000", "i002"]
    assert (await stream.lag()).dead == 1  # of a camera that the token is not for
    await server.stop(0)


def test_a_token_does_not_go_over_the_network_in_the_clear(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("plt_1_2")

    async def connect_to(server: str) -> None:
        await Uploader(section(server, token_file=tmp_path / "token")).close()

    asyncio.run(connect_to("127.0.0.1:1"))
    with pytest.raises(SettingsError, match="in the clear"):
        asyncio.run(connect_to("gallery.example:1"))


@dataclass
class Process:
    """`partlens ingest run` in a process of its own."""

    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        self.process.kill()
        await asyncio.wait_for(self.process.wait(), DEADLINE)


@asynccontextmanager
async def started(server: RedisServer, prefix: str, address: str) -> AsyncIterator[Process]:
    pairs = {f"redis.{key}": value for key, value in server.values.items()}
    pairs |= {"redis.prefix": prefix, "ingest.server": address}
    pairs |= {"ingest.batch": 8, "ingest.claim_seconds": 1}
    arguments = ["run"]
    for key, value in pairs.items():
        arguments += ["--set", f"{key}={value}"]
    run = f"from partlens.ingest.cli import ingest; ingest({arguments!r})"
    process = Process(await asyncio.create_subprocess_exec(sys.executable, "-c", run))
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            await process.kill()


async def test_killed_workers_and_a_killed_redis_lose_and_duplicate_nothing(
    running: Running, tmp_path: Path
) -> None:
    with running_redis(tmp_path / "redis") as server:
        stream = IngestStream(connect(server.settings), "killed", IngestSection())

        async def held() -> bool:
            with suppress(redis.RedisError):
                return (await stream.lag()).taken > 0
            return False

        await push(stream, range(120))
        async with started(server, "killed", running.address) as first:
            await until(held, 60)
            await first.kill()
        assert not await settled(stream)
        async with (
            started(server, "killed", running.address),
            started(server, "killed", running.address) as third,
        ):
            await until(held, 60)
            server.kill()
            await asyncio.sleep(0.3)
            server.start()
            await push(stream, range(120, 160))
            await until(held, 60)
            await third.kill()
            await until(lambda: settled(stream), 60)
        assert await ids(running) == [f"i{number:03}" for number in range(160)]
        assert (await stream.lag()).dead == 0
        await stream.close()


async def test_a_redis_that_is_killed_again_and_again_makes_no_dead_letters(
    running: Running, tmp_path: Path
) -> None:
    """It says nothing about the entries that a worker holds meanwhile: no worker died of them."""
    with running_redis(tmp_path / "redis") as server:
        used = section(running.address, attempts=1, claim_seconds=0.2)
        stream = IngestStream(connect(server.settings), "again", used)
        await stream.open()
        await push(stream, range(160))
        async with working(stream, used):
            for _ in range(6):
                await asyncio.sleep(0.4)
                server.kill()
                await asyncio.sleep(0.3)
                server.start()
            await until(lambda: settled(stream), 60)
        lag = await stream.lag()
        await stream.close()
    assert lag.dead == 0
    assert await ids(running) == [f"i{number:03}" for number in range(160)]


async def test_what_kills_every_worker_becomes_a_dead_letter(
    running: Running, stream: IngestStream, redis_server: RedisServer
) -> None:
    await push(stream, range(2))
    with redis_server.client as client:
        for _ in range(2):  # workers that took them, and ended
            client.xreadgroup("partlens", "dead", {stream.name: ">"})
            client.xautoclaim(stream.name, "partlens", "dead", 0)
        client.xautoclaim(stream.name, "partlens", "dead", 0, count=1)
    async with working(stream, section(running.address, attempts=4, claim_seconds=0.2)):
        await until(lambda: settled(stream))
    assert await ids(running) == ["i001"]
    (letter,) = letters(redis_server, stream)
    assert letter["reason"] == "WORKER_DIED" and "i000" in letter["event"]


async def test_stopping_waits_for_what_is_held_and_leaves_the_rest(
    running: Running, stream: IngestStream
) -> None:
    await push(stream, range(12))
    async with working(stream, section(running.address)):

        async def begun() -> bool:
            return (await stream.lag()).taken > 0

        await until(begun)
    lag = await stream.lag()
    assert lag.taken == 0 and lag.waiting + len(await ids(running)) == 12


async def test_a_worker_that_nobody_answers_still_stops(stream: IngestStream) -> None:
    await push(stream, range(2))
    with suppress(grpc.RpcError):
        async with working(stream, section("127.0.0.1:1")):
            await asyncio.sleep(0.3)
    assert (await stream.lag()).taken == 2


async def test_a_worker_stops_though_redis_is_silent() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    asked = asyncio.Event()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        redis = connect(RedisSection(url=f"redis://127.0.0.1:{port}"), seconds=600)
        used = section("127.0.0.1:1")
        unanswered = IngestStream(redis, "silent", used)
        worker = Worker(unanswered, Uploader(used), used, IngestMetrics())
        running = asyncio.create_task(worker.run())
        await asyncio.wait_for(asked.wait(), 20)
        worker.stop()
        await asyncio.wait_for(running, 60)  # and not after ten minutes
        await unanswered.close()


async def test_the_example_of_the_page_runs(
    running: Running,
    stream: IngestStream,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page = (Path(__file__).parents[2] / "docs/ingest.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```py\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "crop.jpg").write_bytes(picture(1, kind="JPEG"))
    monkeypatch.chdir(tmp_path)
    address = str(redis_server.values["url"]).replace("//", "//:hidden@")
    code = example.replace("redis://127.0.0.1:6379/0", address)
    await asyncio.to_thread(exec, code.replace("partlens:ingest", stream.name), {})
    async with working(stream, section(running.address)):
        await until(lambda: settled(stream))
    assert await ids(running) == ["gate/7/123"]
