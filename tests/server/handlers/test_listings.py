"""Lists and facets say what looking at every image would, under any filter."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import partial

import grpc
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.conftest import DEADLINE, Running, reached, upserts
from tests.server.conftest import settings as server_settings
from tests.server.test_bad_input import failure, reason

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

IDS = [f"p{i:03}" for i in range(12)]


def listed(
    stub: GalleryServiceStub, where: image_pb.Filter, page_size: int, *, thumbnails: bool = False
) -> list[pb.ListImagesResponse]:
    """All pages of a listing."""
    pages, token = list[pb.ListImagesResponse](), ""
    while not pages or token:
        request = pb.ListImagesRequest(
            filter=where, page_size=page_size, page_token=token, include_thumbnails=thumbnails
        )
        pages.append(stub.ListImages(request, timeout=DEADLINE))
        token = pages[-1].next_page_token
    return pages


def images_of(pages: Sequence[pb.ListImagesResponse]) -> list[image_pb.GalleryImage]:
    return [one for page in pages for one in page.images]


def passes(where: image_pb.Filter, image: image_pb.GalleryImage) -> bool:
    of, at = image.metadata, image.metadata.captured_at.seconds
    return (
        (not where.ids or image.id in where.ids)
        and image.id not in where.exclude_ids
        and (not where.cameras or of.camera in where.cameras)
        and of.camera not in where.exclude_cameras
        and all(of.attributes[name] == value for name, value in where.attributes.items())
        and (not where.HasField("captured_after") or at >= where.captured_after.seconds)
        and (not where.HasField("captured_before") or at < where.captured_before.seconds)
    )


@st.composite
def filters(draw: st.DrawFn) -> image_pb.Filter:
    some_ids = st.lists(st.sampled_from([*IDS, "nobody"]), max_size=8)
    cameras = st.lists(st.sampled_from(["cam0", "cam1", "cam2"]), max_size=2)
    where = image_pb.Filter(
        ids=draw(some_ids),
        exclude_ids=draw(some_ids),
        cameras=draw(cameras),
        exclude_cameras=draw(cameras),
        attributes=draw(st.dictionaries(st.just("parity"), st.sampled_from("01"))),
    )
    for name in ("captured_after", "captured_before"):
        if draw(st.booleans()):
            getattr(where, name).seconds = 1_700_000_000 + draw(st.integers(0, 12))
    return where


def require_counts(counts: pb.GetFacetsResponse, images: Sequence[image_pb.GalleryImage]) -> None:
    """Facets are what counting these images gives."""
    assert counts.images == len(images)
    cameras = Counter(one.metadata.camera for one in images)
    assert {one.value: one.images for one in counts.cameras.values} == cameras
    assert (counts.cameras.name, counts.cameras.distinct) == ("camera", len(cameras))
    assert (counts.tracks.name, counts.tracks.unknown) == ("track", len(images))
    parities = Counter(one.metadata.attributes["parity"] for one in images)
    assert [one.name for one in counts.attributes] == ["parity"] * bool(images)
    for one in counts.attributes:
        assert {of.value: of.images for of in one.values} == parities
    assert counts.HasField("captured_first") == counts.HasField("captured_last") == bool(images)
    if images:
        times = [one.metadata.captured_at.seconds for one in images]
        span = counts.captured_first.seconds, counts.captured_last.seconds
        assert span == (min(times), max(times))


async def test_a_filter_lists_and_counts_what_it_passes(filled: Running) -> None:
    def law() -> None:
        with grpc.insecure_channel(filled.address) as channel:
            stub = GalleryServiceStub(channel)
            whole = images_of(listed(stub, image_pb.Filter(), 100))
            assert [one.id for one in whole] == IDS

            @settings(max_examples=40)
            @given(filters(), st.integers(1, 5))
            def require(where: image_pb.Filter, page_size: int) -> None:
                expected = [one for one in whole if passes(where, one)]
                pages = listed(stub, where, page_size)
                assert images_of(pages) == expected
                assert all(len(page.images) == page_size for page in pages[:-1])
                asked = pb.GetFacetsRequest(filter=where)
                require_counts(stub.GetFacets(asked, timeout=DEADLINE), expected)

            require()

    await asyncio.to_thread(law)


async def test_thumbnails_come_with_their_images(filled: Running) -> None:
    request = pb.ListImagesRequest(include_thumbnails=True, filter=image_pb.Filter(ids=IDS[2:5]))
    page = await filled.gallery.ListImages(request, timeout=DEADLINE)
    assert [one.id for one in page.images] == IDS[2:5]
    for image, thumbnail in zip(page.images, page.thumbnails, strict=True):
        got = await filled.gallery.GetImage(pb.GetImageRequest(id=image.id), timeout=DEADLINE)
        assert got.thumbnail == thumbnail
    page = await filled.gallery.ListImages(pb.ListImagesRequest(), timeout=DEADLINE)
    assert not page.thumbnails


async def test_a_page_is_cut_where_its_response_would_be_too_large(
    model: MetricModel, gallery: Gallery
) -> None:
    most = 8192
    server = create_server(model, gallery, server_settings(limits={"response_bytes": most}))
    async with reached(server) as running:
        sent = upserts(12)
        for request in sent:
            request.metadata.attributes["long"] = "x" * 1500
        await running.upload(sent)

        def pages() -> list[pb.ListImagesResponse]:
            with grpc.insecure_channel(running.address) as channel:
                stub = GalleryServiceStub(channel)
                return listed(stub, image_pb.Filter(), 100, thumbnails=True)

        found = await asyncio.to_thread(pages)
        assert [one.id for one in images_of(found)] == IDS
        assert len(found) > 2 and all(page.ByteSize() <= most for page in found)
        assert all(len(page.thumbnails) == len(page.images) for page in found)
        counts = await running.gallery.GetFacets(pb.GetFacetsRequest(), timeout=DEADLINE)
        assert counts.ByteSize() <= most and counts.attributes[0].distinct == 1


async def test_a_page_token_belongs_to_its_filter(filled: Running) -> None:
    where = image_pb.Filter(cameras=["cam1"])
    first = pb.ListImagesRequest(page_size=2, filter=where)
    page = await filled.gallery.ListImages(first, timeout=DEADLINE)
    for other in (image_pb.Filter(), image_pb.Filter(cameras=["cam0"]), image_pb.Filter(ids=IDS)):
        request = pb.ListImagesRequest(page_token=page.next_page_token, filter=other)
        code, status = await failure(partial(filled.gallery.ListImages, request, timeout=DEADLINE))
        assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        assert "the same filter" in status.message
    # The order in which conditions are written is no part of it.
    twice = image_pb.Filter(cameras=["cam1", "cam1"])
    request = pb.ListImagesRequest(page_token=page.next_page_token, filter=twice, page_size=2)
    again = await filled.gallery.ListImages(request, timeout=DEADLINE)
    assert [one.id for one in again.images] == ["p005", "p007"]


async def test_ids_are_found_by_what_they_begin_with(filled: Running) -> None:
    where = image_pb.Filter(cameras=["cam1"])
    request = pb.ListImagesRequest(prefix="p00", filter=where, page_size=2)
    found = list[str]()
    while not found or request.page_token:
        page = await filled.gallery.ListImages(request, timeout=DEADLINE)
        found += [one.id for one in page.images]
        request.page_token = page.next_page_token
    assert found == [f"p{i:03}" for i in range(1, 10, 2)]
    page = await filled.gallery.ListImages(pb.ListImagesRequest(prefix="q"), timeout=DEADLINE)
    assert not page.images and not page.next_page_token


async def test_a_page_token_belongs_to_its_prefix(filled: Running) -> None:
    first = pb.ListImagesRequest(page_size=2, prefix="p00")
    page = await filled.gallery.ListImages(first, timeout=DEADLINE)
    first.page_token = page.next_page_token
    again = await filled.gallery.ListImages(first, timeout=DEADLINE)
    assert [one.id for one in again.images] == ["p002", "p003"]
    for other in ("", "p0", "p001"):
        first.prefix = other
        code, status = await failure(partial(filled.gallery.ListImages, first, timeout=DEADLINE))
        assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
        assert "the same filter and prefix" in status.message


async def test_a_prefix_that_no_id_can_have_is_refused(filled: Running) -> None:
    for prefix in ("x" * 513, "a\nb"):
        request = pb.ListImagesRequest(prefix=prefix)
        code, status = await failure(partial(filled.gallery.ListImages, request, timeout=DEADLINE))
        assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "ID_INVALID")
        assert status.message.startswith("prefix: ")


async def test_values_of_facets_are_bounded_and_ranked(filled: Running) -> None:
    sent = upserts(6)
    for number, request in enumerate(sent):
        request.metadata.track = "abbccc"[number]
    await filled.upload(sent)
    asked = pb.GetFacetsRequest(values=2)
    counts = await filled.gallery.GetFacets(asked, timeout=DEADLINE)
    assert [(one.value, one.images) for one in counts.tracks.values] == [("c", 3), ("b", 2)]
    assert (counts.tracks.distinct, counts.tracks.unknown) == (3, 6)
    code, status = await failure(
        lambda: filled.gallery.GetFacets(pb.GetFacetsRequest(values=1001), timeout=DEADLINE)
    )
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert "values: 1001; at most 1000 are allowed" in status.message
