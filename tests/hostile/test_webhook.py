"""A webhook's receiver that is hostile: matches wait or are delivered, and nothing else suffers."""

import asyncio
import gzip
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer
from tests.ingest.conftest import until
from tests.server.conftest import gallery, model, settings, upserts
from tests.server.standing.test_standing import save, serving, watch

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.sections import StandingSection
from partlens.server.standing import http_client
from partlens.server.standing.sinks import DeliveryError, webhook

__all__ = ["gallery", "model"]

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
MEMORY_KIB = 100 * 2**10
PIECE = 256 * 2**10 * b"\0"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"%x\r\n%s\r\n" % (len(PIECE), PIECE))
        await writer.drain()


@cache
def packed() -> bytes:
    """About 256 KiB that become 256 MiB."""
    inner = gzip.compress(2**20 * b"\0", 9)
    return 256 * inner  # gzip may hold several members


async def bomb(writer: asyncio.StreamWriter) -> None:
    body = packed()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n")
    writer.write(b"content-length: %d\r\n\r\n%s" % (len(body), body))


async def never_closed(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    await asyncio.sleep(60)


async def unfinished(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
    await asyncio.sleep(60)


async def trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nx: ")
    while True:
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def huge_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(1000):
        writer.write(b"x-%d: %s\r\n" % (number, PIECE))
        await writer.drain()


async def interim(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.001)


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\0\xff plt_1_hush\r\n\r\n")


async def gone(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n")


class Hook:
    """Answers every request in one way.

    Attributes:
        asked: requests so far.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer, self.asked = answer, 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked += 1
                await self._answer(writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def hook(answer: Answer) -> AsyncIterator[tuple[Hook, str]]:
    """A receiver, and its address with secrets."""
    made = Hook(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield made, f"http://user:hush@127.0.0.1:{port}/matches?token=hush"
    finally:
        server.close()


async def deliver(url: str) -> None:
    """One delivery; raises DeliveryError if it must be retried."""
    web = http_client.connect(url)
    try:
        of = webhook(web, StandingSection.model_validate({"webhook": url}), lambda _: "{}")
        await of(_MATCH)
    finally:
        await web.client.aclose()


class _Match:
    """As much of a match as a delivery reads."""

    query = type("Query", (), {"id": "s-0"})


_MATCH: Any = _Match()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "_SECONDS", 1.0)
    monkeypatch.setattr(http_client, "_BODY_SECONDS", 0.3)


@pytest.mark.parametrize("answer", [endless, bomb, never_closed, unfinished, gone])
async def test_once_the_status_has_come_the_rest_of_an_answer_does_not_matter(
    hurried: None, answer: Answer
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with hook(answer) as (receiver, url):
        await asyncio.wait_for(deliver(url), 10)
        assert receiver.asked == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_KIB


@pytest.mark.parametrize("answer", [trickle, silent, huge_headers, interim, no_http])
async def test_without_a_status_in_time_a_match_is_retried_and_no_secret_is_told(
    hurried: None, answer: Answer
) -> None:
    async with hook(answer) as (_, url):
        with pytest.raises(DeliveryError) as later:
            await asyncio.wait_for(deliver(url), 10)
    assert "hush" not in str(later.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_loses_nothing(status: int) -> None:
    async with hook(gone) as (inner, inner_url):

        async def away(writer: asyncio.StreamWriter) -> None:
            place = inner_url.encode()
            writer.write(b"HTTP/1.1 %d Away\r\nlocation: %s\r\n" % (status, place))
            writer.write(b"content-length: 0\r\n\r\n")

        async with hook(away) as (_, url):
            with pytest.raises(DeliveryError, match="redirects are not followed") as later:
                await deliver(url)
        assert inner.asked == 0 and "hush" not in str(later.value)


async def test_a_hook_that_never_answers_delays_neither_watchers_nor_redis(
    model: MetricModel,
    gallery: Gallery,
    tmp_path: Path,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    redis = {**redis_server.values, "prefix": tmp_path.name}

    async def in_redis() -> bool:
        with redis_server.client as client:
            return bool(client.xlen(f"{tmp_path.name}:matches") == 4)

    async with hook(silent) as (receiver, url):
        used = settings(redis=redis, standing={"webhook": url})
        async with serving(model, gallery, used) as (running, standing):
            await save(standing)
            watching = asyncio.create_task(watch(standing, 4))
            await asyncio.sleep(0.5)
            await running.upload(upserts(4))
            await asyncio.wait_for(watching, 8)
            await until(in_redis, 8)
        assert receiver.asked == 1
    assert "hush" not in caplog.text


async def test_a_match_that_redis_refuses_is_written_later(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    """A script that fails between claiming and writing must not keep the claim."""
    stream = f"{tmp_path.name}:matches"
    with redis_server.client as client:
        client.set(stream, "no stream")  # XADD refuses it
    used = settings(redis={**redis_server.values, "prefix": tmp_path.name})

    async def written(count: int) -> bool:
        with redis_server.client as client:
            return bool(client.xlen(stream) == count)

    async with serving(model, gallery, used) as (running, standing):
        await save(standing)
        await running.upload(upserts(2))
        await asyncio.sleep(1.5)
        with redis_server.client as client:
            client.delete(stream)
        await until(lambda: written(2), 10)
