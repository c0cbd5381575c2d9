"""Callers that send nothing, read nothing or have lost their token are not kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from deaf_caller import deaf_caller
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.server.conftest import DEADLINE, settings, upserts

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import PartlensServer, create_server
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

LIMITS: dict[str, object] = {
    "first_message_seconds": 0.3,
    "idle_stream_seconds": 0.6,
    "send_seconds": 0.5,
    "open_calls": 2,
    "response_bytes": 64 * 2**20,
}


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


@pytest.fixture
def server(model: MetricModel, gallery: Gallery, file: TokenFile) -> PartlensServer:
    return create_server(model, gallery, settings(access={"tokens": file.path}, limits=LIMITS))


@pytest.fixture
async def channel(server: PartlensServer) -> AsyncIterator[grpc.aio.Channel]:
    address = f"127.0.0.1:{await server.start()}"
    async with grpc.aio.insecure_channel(address) as channel:
        yield channel
    await server.stop(0)


def token(file: TokenFile) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The id of a new token, and the metadata that it is sent in."""
    made, text = tokens.create("test", frozenset({"search", "ingest"}))
    file.add(made)
    return made.id, (("authorization", f"Bearer {text}"),)


async def test_a_call_without_a_request_ends(channel: grpc.aio.Channel, file: TokenFile) -> None:
    _, metadata = token(file)
    for path in ("GalleryService/GetImage", "GalleryService/UpsertImages"):
        call: Any = channel.stream_stream(f"/partlens.v1.{path}")(
            timeout=DEADLINE, metadata=metadata
        )
        assert await call.code() == grpc.StatusCode.ABORTED
        assert "no request came for 0.3 s" in await call.details()


async def test_an_idle_stream_ends_after_it_was_answered(
    channel: grpc.aio.Channel, file: TokenFile
) -> None:
    _, metadata = token(file)
    call = GalleryServiceStub(channel).UpsertImages(timeout=DEADLINE, metadata=metadata)
    await call.write(upserts(1)[0])
    assert (await call.read()).HasField("committed")
    assert await call.code() == grpc.StatusCode.ABORTED
    assert "idle_stream_seconds" in await call.details()


async def test_open_streams_of_a_revoked_token_end_by_themselves(
    channel: grpc.aio.Channel, file: TokenFile
) -> None:
    id, metadata = token(file)
    _, other = token(file)
    watch = StandingQueryServiceStub(channel).WatchMatches
    asked = standing_pb.WatchMatchesRequest()
    call, kept = (watch(asked, timeout=DEADLINE, metadata=one) for one in (metadata, other))
    await call.initial_metadata()
    file.remove(id)
    assert await call.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not kept.done()
    kept.cancel()


async def test_health_streams_have_a_limit_and_checks_have_their_own(
    channel: grpc.aio.Channel,
) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    request = health_pb2.HealthCheckRequest()
    watches = [stub.Watch(request, timeout=DEADLINE) for _ in range(2)]
    for watch in watches:
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.Watch(request, timeout=DEADLINE):
            pass
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await stub.Check(request, timeout=DEADLINE)).status
    large = health_pb2.HealthCheckRequest(service="x" * 100_000)
    with pytest.raises(grpc.aio.AioRpcError, match="100004 bytes"):
        await stub.Check(large, timeout=DEADLINE)
    for watch in watches:
        watch.cancel()


async def test_a_caller_that_reads_nothing_does_not_hold_its_stream(
    server: PartlensServer, channel: grpc.aio.Channel, file: TokenFile
) -> None:
    _, metadata = token(file)
    call: Any = channel.stream_stream("/partlens.v1.GalleryService/UpsertImages")(metadata=metadata)
    refused = gallery_pb.UpsertImagesRequest(id="x" * 60_000).SerializeToString()

    async def send() -> None:
        # Each answer repeats the id, so after some the buffers of the connection are full.
        with suppress(grpc.RpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            while True:
                await call.write(refused)

    sending = asyncio.create_task(send())
    await call.initial_metadata()  # the call has its place
    await asyncio.wait_for(server._admission.idle(), DEADLINE)
    call.cancel()
    sending.cancel()
    await asyncio.wait({sending}, timeout=DEADLINE)


async def test_watchers_that_read_nothing_hide_no_change_from_others(
    model: MetricModel, gallery: Gallery, tmp_path: Path, file: TokenFile
) -> None:
    token(file)
    limits: dict[str, object] = {"open_calls": 8, "send_seconds": 600.0}
    server = create_server(model, gallery, settings(access={"tokens": file.path}, limits=limits))
    address = f"127.0.0.1:{await server.start()}"
    names = ("", "partlens.tokens")
    async with grpc.aio.insecure_channel(address) as channel, deaf_caller(address) as deaf:
        for name in names:
            asked = health_pb2.HealthCheckRequest(service=name).SerializeToString()
            await deaf.call("/grpc.health.v1.Health/Watch", asked, {})
        stub: Any = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest(service=name)) for name in names]
        for one in watches:
            assert (await one.read()).status == health_pb2.HealthCheckResponse.SERVING
        text = file.path.read_text()
        for content, status in (("{", "NOT_SERVING"), (text, "SERVING")):
            file.path.write_text(content)
            for one in watches:
                told = await asyncio.wait_for(one.read(), DEADLINE / 4)  # before its keepalive
                assert told == health_pb2.HealthCheckResponse(status=status)
        for one in watches:
            one.cancel()
    await asyncio.wait_for(server.stop(0), DEADLINE)


def replaced(one: gallery_pb.UpsertImagesRequest, uri: str) -> gallery_pb.UpsertImagesRequest:
    one.uri = uri
    return one


async def test_a_call_has_its_place_until_its_answer_is_sent(
    model: MetricModel, gallery: Gallery, file: TokenFile
) -> None:
    """Or answers that nobody reads would pile up in memory."""
    _, metadata = token(file)
    limits: dict[str, object] = {"concurrent_calls": 4, "token_share": 0.5, "send_seconds": 600.0}
    server = create_server(model, gallery, settings(access={"tokens": file.path}, limits=limits))
    address = f"127.0.0.1:{await server.start()}"
    asked = gallery_pb.ListImagesRequest(page_size=100)

    async def is_refused() -> bool:
        try:
            await stub.ListImages(asked, timeout=DEADLINE, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        return False

    async with grpc.aio.insecure_channel(address) as channel, asyncio.timeout(DEADLINE):
        stub = GalleryServiceStub(channel)
        long = [replaced(one, uri="u" * 4000) for one in upserts(40)]  # more than gRPC buffers
        async for answer in stub.UpsertImages(iter(long), metadata=metadata):
            assert answer.HasField("committed")
        assert not await is_refused()
        async with deaf_caller(address) as deaf:
            path = "/partlens.v1.GalleryService/ListImages"
            # Two have places; one of the first may come while our own call still has one.
            while not await is_refused():
                await deaf.call(path, asked.SerializeToString(), dict(metadata))
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)  # longer than these calls take
            assert await is_refused()
        while await is_refused():
            await asyncio.sleep(0.05)
    await asyncio.wait_for(server.stop(0), DEADLINE)
