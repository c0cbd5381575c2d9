"""The gallery through gRPC: what is put in can be read, listed, replaced and deleted."""

import asyncio
import hashlib
import io
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.server.conftest import DEADLINE, LIMITS, SETTINGS, Running, picture, reached, upserts

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery, Metadata, NewImage
from partlens.server.app import PartlensServer
from partlens.server.engine.engine import Engine
from partlens.server.observe.indexing import IndexingProgress, IndexingReport
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb


async def state(running: Running) -> pb.GetGalleryResponse:
    answer: pb.GetGalleryResponse = await running.gallery.GetGallery(
        pb.GetGalleryRequest(), timeout=DEADLINE
    )
    return answer


async def test_an_image_comes_back_as_it_was_sent(filled: Running) -> None:
    sent = upserts(6)[5]
    request = pb.GetImageRequest(id="p005")
    answer = await filled.gallery.GetImage(request, timeout=DEADLINE)
    image = answer.image
    assert (image.id, image.uri, image.metadata) == (sent.id, sent.uri, sent.metadata)
    assert (image.width, image.height) == (40, 60)
    assert image.media_digest == f"sha256:{hashlib.sha256(sent.data).hexdigest()}"
    with Image.open(io.BytesIO(answer.thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (40, 60))


async def test_pages_of_a_listing_join_to_all_images_in_order(filled: Running) -> None:
    ids, token, pages = [], "", 0
    while pages == 0 or token:
        request = pb.ListImagesRequest(page_size=5, page_token=token)
        page = await filled.gallery.ListImages(request, timeout=DEADLINE)
        ids += [image.id for image in page.images]
        token, pages = page.next_page_token, pages + 1
        # An image added behind what was read is listed, and disturbs nothing.
        if pages == 1:
            late = pb.UpsertImagesRequest(id="zzz", data=picture(99))
            assert (await filled.upload([late]))[0].HasField("committed")
    assert pages == 3
    assert ids == [f"p{i:03}" for i in range(12)] + ["zzz"]


async def test_deleted_images_are_gone_and_unknown_ones_passed_over(filled: Running) -> None:
    request = pb.DeleteImagesRequest(ids=["p001", "nobody", "p001", "p002"])
    assert (await filled.gallery.DeleteImages(request, timeout=DEADLINE)).deleted == 2
    assert (await state(filled)).images == 10
    assert (await filled.gallery.DeleteImages(request, timeout=DEADLINE)).deleted == 0


async def test_an_image_of_the_same_id_is_replaced(filled: Running) -> None:
    before = await state(filled)
    sent = [
        pb.UpsertImagesRequest(id="p001", data=picture(70 + i, 80 + i, 50), uri=f"new{i}")
        for i in range(2)
    ]
    answers = await filled.upload(sent)
    assert [answer.committed.width for answer in answers] == [80, 81]
    found = await filled.gallery.GetImage(pb.GetImageRequest(id="p001"), timeout=DEADLINE)
    assert (found.image.uri, found.image.width, found.image.metadata.camera) == ("new1", 81, "")
    after = await state(filled)
    assert after.images == before.images and after.version > before.version


async def test_a_replaced_gallery_image_is_another_query(filled: Running) -> None:
    asked = search_pb.DescribeQueryRequest(image=image_pb.QueryImage(gallery_id="p001"))
    before = await filled.search.DescribeQuery(asked, timeout=DEADLINE)
    await filled.upload([pb.UpsertImagesRequest(id="p001", data=picture(70, 80, 50))])
    after = await filled.search.DescribeQuery(asked, timeout=DEADLINE)
    assert (before.query.width, after.query.width) == (40, 80)
    assert before.query.query_id != after.query.query_id


async def test_what_arrives_together_shares_a_commit(running: Running) -> None:
    answers = await running.upload(upserts(30))
    assert [answer.index for answer in answers] == list(range(30))
    versions = [answer.committed.gallery_version for answer in answers]
    assert versions == sorted(versions)
    assert len(set(versions)) < 15
    assert versions[-1] == (await state(running)).version


async def test_an_image_is_acknowledged_while_the_stream_stays_open(running: Running) -> None:
    call = running.gallery.UpsertImages(timeout=DEADLINE)
    for i, request in enumerate(upserts(3)):
        await call.write(request)
        answer = await call.read()
        assert (answer.id, answer.index) == (request.id, i) and answer.HasField("committed")
        assert (await state(running)).images == i + 1
    await call.done_writing()


async def test_a_caller_that_goes_away_leaves_the_server_well(running: Running) -> None:
    call = running.gallery.UpsertImages(timeout=DEADLINE)
    await call.write(upserts(1)[0])
    assert (await call.read()).HasField("committed")
    call.cancel()
    answers = await running.upload(upserts(3))
    assert all(answer.HasField("committed") for answer in answers)


async def test_the_gallery_states_its_model_and_limits(running: Running) -> None:
    answer = await state(running)
    model, limits = answer.model, answer.limits
    assert (model.name, model.rows, model.cols, model.dimensions) == ("tiny", 8, 4, 6)
    assert (model.input_width, model.input_height) == (16, 32)
    assert limits.request_bytes == LIMITS.request_bytes
    assert limits.image_pixels == LIMITS.image_pixels
    assert (limits.query_images, limits.regions) == (LIMITS.query_images, LIMITS.regions)
    assert limits.search_page_size == LIMITS.search_page_size
    assert limits.list_page_size == LIMITS.list_page_size


async def test_the_progress_of_indexing_is_what_was_reported_last(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    report = IndexingReport()
    server = PartlensServer(
        {"default": lambda: Engine(model, gallery, LIMITS)},
        SETTINGS,
        audit_log=tmp_path / "audit.jsonl",
        indexing=report,
    )
    async with reached(server) as running:
        answer = await state(running)
        assert not answer.HasField("indexing")
        for progress in (
            IndexingProgress(),
            IndexingProgress(5, 9, 1),
            IndexingProgress(9, 9, 1, finished=True),
            IndexingProgress(3, 9, finished=True, problem="the disk is full"),
        ):
            report.now = progress
            answer = await state(running)
            assert answer.HasField("indexing")
            assert answer.indexing == pb.Indexing(**asdict(progress))
        # As of a file whose name is not UTF-8.
        report.now = IndexingProgress(1, 9, finished=True, problem="caf\udce9.jpg")
        assert (await state(running)).indexing.problem.startswith("caf")


async def test_searches_add_up_while_images_come_and_go(filled: Running) -> None:
    region = region_pb.Region(box=region_pb.Box(x=0, y=0, width=20, height=20))
    asked = search_pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(100))],
        regions=[search_pb.QueryRegion(region=region)],
        maps=[search_pb.MAP_KIND_SCORE, search_pb.MAP_KIND_OVERALL],
    )

    async def searches() -> None:
        for _ in range(10):
            answer = await filled.search.SearchRegions(asked, timeout=DEADLINE)
            assert len(answer.hits) >= 6
            for hit in answer.hits:
                total = np.sum(hit.map.values) + hit.constant
                assert hit.score == pytest.approx(total, abs=1e-4)

    async def changes() -> None:
        for _ in range(3):
            ids = [f"p{i:03}" for i in range(6)]
            await filled.gallery.DeleteImages(pb.DeleteImagesRequest(ids=ids), timeout=DEADLINE)
            await filled.upload(upserts(6))

    await asyncio.gather(searches(), searches(), changes())


async def test_what_another_process_commits_is_searched_and_listed(
    running: Running, gallery: Gallery, model: MetricModel
) -> None:
    seen = model.decompose([np.zeros((60, 40, 3), np.uint8)])
    made = NewImage(
        "theirs", "", "sha256:0", 40, 60, b"", Metadata(), seen.contributions[0], seen.bias[0]
    )
    with Gallery.open(gallery.path) as other:
        other.add([made])
        end = asyncio.get_running_loop().time() + DEADLINE
        while (await state(running)).images == 0:
            assert asyncio.get_running_loop().time() < end
            await asyncio.sleep(0.05)
    request = pb.GetImageRequest(id="theirs")
    assert (await running.gallery.GetImage(request, timeout=DEADLINE)).image.width == 40
    assert (await running.upload(upserts(1)))[0].HasField("committed")


async def test_what_is_refused_is_told_while_another_process_writes(
    running: Running, gallery: Gallery
) -> None:
    with Gallery.open(gallery.path) as other, other.writing():
        (answer,) = await running.upload([pb.UpsertImagesRequest(id="x", data=b"no picture")])
    assert answer.refused.reason == "IMAGE_INVALID"
