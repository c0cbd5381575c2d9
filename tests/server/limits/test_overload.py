"""A server with too much to do refuses early, and does no work for callers that are gone."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, settings, upserts

from partlens.client import AsyncClient, Box, ExhaustedError, QueryRegion, Upload
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import OneSearch
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery import search as search_module
from partlens.server.app import create_server
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

REGION = [QueryRegion(Box(4, 2, 25, 20))]


@asynccontextmanager
async def served(
    model: MetricModel, gallery: Gallery, **sections: dict[str, object]
) -> AsyncIterator[str]:
    server = create_server(model, gallery, settings(**sections))
    yield f"127.0.0.1:{await server.start()}"
    await server.stop(0)


async def test_more_streams_than_the_limit_are_refused_and_calls_are_not(
    model: MetricModel, gallery: Gallery
) -> None:
    async with served(model, gallery, limits={"upload_streams": 2}) as address:
        async with (
            AsyncClient(address, DEADLINE) as client,
            grpc.aio.insecure_channel(address) as channel,
        ):
            streams = [GalleryServiceStub(channel).UpsertImages(timeout=DEADLINE) for _ in "ab"]
            for stream, request in zip(streams, upserts(2), strict=True):
                await stream.write(request)
                assert (await stream.read()).HasField("committed")
            upload = [Upload("late", picture(9))]
            with pytest.raises(
                ExhaustedError, match=r"2 streams of uploads .* \(limits\.upload_streams\)"
            ) as caught:
                await client.upsert_images(upload)
            assert caught.value.retry_seconds and "late" not in gallery.view
            assert (await client.get_gallery()).images == 2
            streams[0].cancel()
            await eventually(lambda: client.upsert_images(upload))


async def test_more_calls_than_the_limit_are_refused_and_health_is_not(
    model: MetricModel, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go, decompose = threading.Event(), MetricModel.decompose_pixels

    def slowly(self: MetricModel, *arguments: Any) -> Any:
        assert may_go.wait(DEADLINE)
        return decompose(self, *arguments)

    monkeypatch.setattr(MetricModel, "decompose_pixels", slowly)
    async with served(model, gallery, limits={"concurrent_calls": 2}) as address:
        async with AsyncClient(address, DEADLINE) as client:
            calls = [asyncio.create_task(client.describe_query(picture(i))) for i in range(5)]
            done, waiting = await asyncio.wait(calls, timeout=1.0)
            assert len(done) == 3
            assert all(isinstance(task.exception(), ExhaustedError) for task in done)
            await client.wait_until_ready(DEADLINE)
            may_go.set()
            await asyncio.wait_for(asyncio.gather(*waiting), DEADLINE)


async def eventually(ask: Any) -> None:
    """Asks until it is not refused."""
    end = asyncio.get_running_loop().time() + DEADLINE
    while True:
        try:
            await ask()
            return
        except ExhaustedError:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.01)


async def test_pictures_of_many_callers_share_passes(
    model: MetricModel, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    decompose = MetricModel.decompose_pixels

    def counted(self: MetricModel, pixels: Any, *arguments: Any) -> Any:
        sizes.append(len(pixels))
        return decompose(self, pixels, *arguments)

    monkeypatch.setattr(MetricModel, "decompose_pixels", counted)
    limits: dict[str, object] = {"pass_wait_ms": 20, "kept_queries": 100}
    async with served(model, gallery, limits=limits) as address:
        async with AsyncClient(address, DEADLINE) as client:
            found = await asyncio.gather(*(client.describe_query(picture(i)) for i in range(40)))
    assert sum(sizes) == 40 and len(sizes) < 20 and max(sizes) <= 16
    assert len({one.query.id for one in found}) == 40


@pytest.mark.parametrize("how", ["cancelled", "deadline"])
async def test_a_search_whose_caller_is_gone_ends_between_chunks(
    filled: Running, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # One image a chunk, and the search stops in the first until it may go on.
    monkeypatch.setattr(search_module, "_CHUNK_BYTES", 1)
    scored, in_search, may_go = [0], threading.Event(), threading.Event()
    score_images = OneSearch.images

    def slowly(*arguments: Any) -> Any:
        scored[0] += 1
        in_search.set()
        assert may_go.wait(DEADLINE)
        return score_images(*arguments)

    monkeypatch.setattr(OneSearch, "images", slowly)
    region = region_pb.Region(box=region_pb.Box(x=0, y=0, width=20, height=20))
    request = pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(100))], regions=[pb.QueryRegion(region=region)]
    )
    call = filled.search.SearchRegions(request, timeout=1.0 if how == "deadline" else DEADLINE)
    assert await asyncio.to_thread(in_search.wait, DEADLINE)
    if how == "cancelled":
        call.cancel()
    else:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.sleep(0.2)  # until the server knows
    may_go.set()
    assert len((await filled.search.SearchRegions(request, timeout=DEADLINE)).hits) == 12
    # One image for the caller that is gone, and all 12 for the other.
    await asyncio.sleep(0.2)
    assert scored[0] == 13
