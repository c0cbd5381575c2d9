"""Health says whether a call would be answered, from binding to stopping."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tests.server.conftest import DEADLINE, SETTINGS, Running, settings, upserts

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.errors import ListenError
from partlens.server.app import PartlensServer, create_server
from partlens.server.engine.engine import Engine
from partlens.server.handlers.table import SERVICES
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

NAMES = ("", *SERVICES)
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


async def health(channel: grpc.aio.Channel) -> set[int]:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    asked = [health_pb2.HealthCheckRequest(service=name) for name in NAMES]
    return {(await stub.Check(request, timeout=DEADLINE)).status for request in asked}


async def test_not_serving_until_loaded_then_serving(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    may_load = threading.Event()

    def slowly() -> Engine:
        assert may_load.wait(DEADLINE)
        return Engine(model, gallery, SETTINGS.limits)

    server = PartlensServer({"default": slowly}, SETTINGS, audit_log=tmp_path / "audit.jsonl")
    address = f"127.0.0.1:{await server.bind()}"
    async with grpc.aio.insecure_channel(address) as channel:
        loading = asyncio.create_task(server.load())
        await asyncio.sleep(0.05)
        assert await health(channel) == {NOT_SERVING}
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await GalleryServiceStub(channel).GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        may_load.set()
        await asyncio.wait_for(loading, DEADLINE)
        assert await health(channel) == {SERVING}
    await server.stop(0)


async def test_a_stopping_server_is_not_serving_and_takes_no_more_images(
    running: Running,
) -> None:
    call = running.gallery.UpsertImages(timeout=DEADLINE)
    await call.write(upserts(1)[0])
    assert (await call.read()).HasField("committed")
    stub: Any = health_pb2_grpc.HealthStub(running.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
    assert (await watch.read()).status == SERVING
    # The stream is open and its caller says nothing: it must not hold up the stop.
    stopping = asyncio.create_task(running.server.stop(DEADLINE / 2))
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "unacknowledged" in (caught.value.details() or "")
    await asyncio.wait_for(stopping, DEADLINE / 4)


async def test_a_call_in_progress_is_finished_by_a_graceful_stop(
    model: MetricModel, gallery: Gallery
) -> None:
    server = create_server(model, gallery, SETTINGS)
    address = f"127.0.0.1:{await server.start()}"
    async with grpc.aio.insecure_channel(address) as channel:
        call = GalleryServiceStub(channel).UpsertImages(timeout=DEADLINE)
        requests = upserts(20)
        for request in requests:
            await call.write(request)
        assert (await call.read()).HasField("committed")
        stopping = asyncio.create_task(server.stop(DEADLINE))
        acknowledged = 1
        with pytest.raises(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                acknowledged += 1
        await asyncio.wait_for(stopping, DEADLINE)
    assert acknowledged == len(gallery.view)


@pytest.mark.parametrize("on", [True, False])
async def test_reflection_is_there_by_flag_only(
    model: MetricModel, gallery: Gallery, on: bool
) -> None:
    server = create_server(model, gallery, settings(server={"reflection": on}))
    address = f"127.0.0.1:{await server.start()}"

    def ask() -> Any:
        # grpc.aio may hide the status of a call that ends while it still sends (issue 36066).
        with grpc.insecure_channel(address) as channel:
            stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            return next(stub.ServerReflectionInfo(iter([request]), timeout=DEADLINE))

    if on:
        listed = (await asyncio.to_thread(ask)).list_services_response.service
        assert {*SERVICES} < {service.name for service in listed}
    else:
        with pytest.raises(grpc.RpcError) as caught:
            await asyncio.to_thread(ask)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
    await server.stop(0)


async def test_a_port_in_use_is_a_clear_error(
    running: Running, model: MetricModel, gallery: Gallery
) -> None:
    other = create_server(model, gallery, settings(server={"listen": running.address}))
    with pytest.raises(ListenError, match="cannot listen on 127"):
        await other.start()


async def test_bytes_that_are_no_message_are_the_callers_fault(running: Running) -> None:
    for method in ("Check", "Watch"):
        call: Any = running.channel.stream_stream(f"/grpc.health.v1.Health/{method}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            [_ async for _ in call(iter([b"\x0a\x02\xff\xff"]), timeout=DEADLINE)]
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert caught.value.details() == "the request is not a message of this method"
