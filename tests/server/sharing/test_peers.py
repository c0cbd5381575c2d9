"""Servers of one gallery share query images and hear of commits; without Redis each goes on."""

import asyncio
import time
from functools import partial
from pathlib import Path

import grpc
import pytest
from redis_server import RedisServer, running_redis
from tests.server.conftest import DEADLINE, Running, picture, upserts
from tests.server.sharing.conftest import replicas

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.following import Follower
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb

PICTURE = image_pb.QueryImage(data=picture(100))


async def describe(running: Running, image: image_pb.QueryImage) -> str:
    answer = await running.search.DescribeQuery(
        pb.DescribeQueryRequest(image=image), timeout=DEADLINE
    )
    return str(answer.query.query_id)


def lookups(running: Running, result: str) -> float:
    registry = running.server.metrics.registry
    value = registry.get_sample_value("partlens_query_lookups_total", {"result": result})
    return value or 0.0


def shared(running: Running, result: str) -> float:
    registry = running.server.metrics.registry
    value = registry.get_sample_value("partlens_shared_queries_total", {"result": result})
    return value or 0.0


async def test_a_picture_goes_through_the_model_once_for_all_servers(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    async with replicas(model, gallery, tmp_path, redis_server) as (first, second):
        id = await describe(first, PICTURE)
        assert await describe(second, PICTURE) == id
        assert await describe(second, image_pb.QueryImage(query_id=id)) == id
        assert (lookups(first, "unseen"), lookups(second, "unseen")) == (1, 0)
        assert shared(second, "found") == 1  # and then it was near


async def test_the_id_of_a_gallery_image_holds_on_every_server(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    async with replicas(model, gallery, tmp_path, redis_server) as (first, second):
        await first.upload(upserts(2))
        id = await describe(first, image_pb.QueryImage(gallery_id="p001"))
        await _until(second, 2)
        assert await describe(second, image_pb.QueryImage(query_id=id)) == id
        with redis_server.client as client:
            assert not client.keys(
                f"{tmp_path.name}:query:*"
            )  # features of images stay in the gallery


async def test_a_made_up_entry_is_passed_over(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    async with replicas(model, gallery, tmp_path, redis_server) as (first, second):
        id = await describe(first, PICTURE)
        with redis_server.client as client:
            client.set(f"{tmp_path.name}:query:{id}", b"\x80\x04made up")
        assert await describe(second, PICTURE) == id
        assert (shared(second, "refused"), lookups(second, "unseen")) == (1, 1)
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await describe(second, image_pb.QueryImage(query_id=f"q-{40 * 'a'}"))
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_servers_go_on_without_redis_and_share_again_when_it_is_back(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    with running_redis(tmp_path / "redis") as redis:
        async with replicas(model, gallery, tmp_path, redis) as (first, second):
            redis.kill()
            id = await describe(first, PICTURE)
            assert await describe(first, image_pb.QueryImage(query_id=id)) == id
            assert await describe(second, PICTURE) == id and lookups(second, "unseen") == 1
            assert await first.upload(upserts(1))
            redis.start()
            await asyncio.sleep(1.1)  # for so long nobody asks Redis after it failed
            other = image_pb.QueryImage(data=picture(101))
            id = await describe(first, other)
            assert await describe(second, image_pb.QueryImage(query_id=id)) == id
            assert shared(second, "found") == 1


async def test_others_see_a_commit_at_once(
    model: MetricModel,
    gallery: Gallery,
    tmp_path: Path,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Nobody looks by himself, so that whoever sees the image was told.
    monkeypatch.setattr("partlens.server.engine.engine.Follower", partial(Follower, seconds=3600))
    async with replicas(model, gallery, tmp_path, redis_server) as (first, second):
        await asyncio.sleep(0.3)  # until it listens; see the next test for what comes before
        await first.upload(upserts(3))
        await _until(second, 3)


async def test_a_server_looks_when_it_begins_to_listen(
    model: MetricModel, gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.server.engine.engine.Follower", partial(Follower, seconds=3600))
    with running_redis(tmp_path / "redis") as redis:
        async with replicas(model, gallery, tmp_path, redis) as (first, second):
            redis.kill()
            await first.upload(upserts(3))
            assert await _images(second) == 0
            redis.start()
            await _until(second, 3)


async def test_redis_is_reached_over_tls_with_its_password(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    with running_redis(tmp_path / "redis", tls=True) as redis:
        async with replicas(model, gallery, tmp_path, redis) as (first, second):
            id = await describe(first, PICTURE)
            assert await describe(second, image_pb.QueryImage(query_id=id)) == id


async def _images(running: Running) -> int:
    answer = await running.gallery.GetGallery(gallery_pb.GetGalleryRequest(), timeout=DEADLINE)
    return int(answer.images)


async def _until(running: Running, images: int) -> None:
    end = time.monotonic() + 10
    while await _images(running) != images:
        assert time.monotonic() < end, "it was not told"
        await asyncio.sleep(0.02)
