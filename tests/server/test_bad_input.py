"""Every unusable request gets a status a program can act on, and nothing is lost by it."""

import io
import zlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]
from PIL import Image
from tests.server.conftest import DEADLINE, LIMITS, Running, picture, upserts

from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

BOX = region_pb.Region(box=region_pb.Box(x=0, y=0, width=10, height=10))
IMAGE = image_pb.QueryImage(data=picture(1))


def bomb() -> bytes:
    """A PNG of few bytes that says it has 100,000 x 100,000 pixels."""
    small = io.BytesIO()
    Image.new("1", (8, 8)).save(small, "PNG")
    data = bytearray(small.getvalue())
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def search(
    image: image_pb.QueryImage | None = IMAGE,
    region: region_pb.Region = BOX,
    **fields: object,
) -> pb.SearchRegionsRequest:
    images = [] if image is None else [image]
    regions = fields.pop("regions", [pb.QueryRegion(region=region)])
    return pb.SearchRegionsRequest(images=images, regions=regions, **fields)  # type: ignore[arg-type]


def shown(data: bytes) -> image_pb.QueryImage:
    return image_pb.QueryImage(data=data)


def boxed(x: float, y: float, width: float, height: float) -> region_pb.Region:
    return region_pb.Region(box=region_pb.Box(x=x, y=y, width=width, height=height))


MASK = region_pb.Region(
    mask=region_pb.Mask(bit_mask=region_pb.BitMask(width=8, height=8, bits=b"\xff" * 8))
)
DATA, REGION = "images[0].data", "regions[0].region"
# What is asked; the field that is blamed; its reason; words of the description.
REFUSED: dict[str, tuple[pb.SearchRegionsRequest, str, str, str]] = {
    "not an image": (search(shown(b"hello")), DATA, "IMAGE_INVALID", "not an image"),
    "0 bytes": (search(shown(b"")), DATA, "IMAGE_INVALID", "empty"),
    "bomb": (search(shown(bomb())), DATA, "IMAGE_INVALID", "250000 pixels"),
    "cut short": (search(shown(picture(1)[:600])), DATA, "IMAGE_INVALID", "cut short"),
    "no image": (search(None), "images", "FIELD_INVALID", "none given; give 1 to 3"),
    "no source": (search(image_pb.QueryImage()), "images[0]", "FIELD_INVALID", "needs data"),
    "no region": (search(regions=[]), "regions", "FIELD_INVALID", "none given; give 1 to 6"),
    "many regions": (
        search(regions=[pb.QueryRegion(region=BOX)] * 7),
        "regions",
        "FIELD_INVALID",
        "at most 6 are allowed",
    ),
    "outside": (search(region=boxed(50, 0, 9, 9)), REGION, "REGION_INVALID", "outside"),
    "no area": (search(region=boxed(5, 5, 0, 9)), REGION, "REGION_INVALID", "no area"),
    "other mask": (search(region=MASK), REGION, "REGION_INVALID", "(60, 40)"),
    "shapeless": (search(region=region_pb.Region()), REGION, "REGION_INVALID", "needs a box"),
    "only excluded": (
        search(regions=[pb.QueryRegion(region=BOX, exclude=True)]),
        "regions",
        "FIELD_INVALID",
        "at least one",
    ),
    "image index": (
        search(regions=[pb.QueryRegion(region=BOX, image_index=1)]),
        "regions[0].image_index",
        "FIELD_INVALID",
        "has 1 image",
    ),
    "weight": (
        search(regions=[pb.QueryRegion(region=BOX, weight=-1)]),
        "regions[0].weight",
        "FIELD_INVALID",
        "above 0",
    ),
    "page size": (search(page_size=101), "page_size", "FIELD_INVALID", "at most 100"),
    "token": (search(page_token="abc"), "page_token", "PAGE_TOKEN_INVALID", "not a page token"),
    "score": (search(score=99), "score", "FIELD_INVALID", "not a ScoreKind"),
    "maps": (search(maps=[1, 2]), "maps[0]", "FIELD_INVALID", "by itself"),
}


async def failure(call: Callable[[], Awaitable[Any]]) -> tuple[grpc.StatusCode, status_pb2.Status]:
    """The code and the rich status that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call()
    rich = rpc_status.from_call(caught.value)  # pyright: ignore[reportArgumentType]
    for leak in ("Traceback", "/tmp", ".py", "0x7"):
        assert leak not in str(rich)
    return caught.value.code(), rich


def reason(status: status_pb2.Status) -> str:
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info) and info.domain == "partlens"
    word: str = info.reason
    return word


@pytest.mark.parametrize(("request_", "field", "word", "text"), REFUSED.values(), ids=REFUSED)
async def test_an_unusable_field_is_named(
    running: Running, request_: pb.SearchRegionsRequest, field: str, word: str, text: str
) -> None:
    code, status = await failure(lambda: running.search.SearchRegions(request_, timeout=DEADLINE))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    (violation,) = bad.field_violations
    assert (violation.field, violation.reason) == (field, word) and reason(status) == word
    assert text in violation.description and text in status.message


async def test_an_unknown_image_is_not_found(filled: Running) -> None:
    asked = search(image_pb.QueryImage(gallery_id="nobody"))
    get = gallery_pb.GetImageRequest(id="nobody")
    for call in (
        lambda: filled.search.SearchRegions(asked, timeout=DEADLINE),
        lambda: filled.gallery.GetImage(get, timeout=DEADLINE),
    ):
        code, status = await failure(call)
        assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "IMAGE_UNKNOWN")
        assert "nobody" in status.message


async def test_a_forgotten_query_is_not_found(running: Running) -> None:
    describe = running.search.DescribeQuery
    first = await describe(pb.DescribeQueryRequest(image=IMAGE), timeout=DEADLINE)
    for seed in range(LIMITS.kept_queries):
        other = pb.DescribeQueryRequest(image=shown(picture(50 + seed)))
        await describe(other, timeout=DEADLINE)
    asked = search(image_pb.QueryImage(query_id=first.query.query_id))
    code, status = await failure(lambda: running.search.SearchRegions(asked, timeout=DEADLINE))
    assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "QUERY_UNKNOWN")
    assert "send the picture again" in status.message


async def test_a_page_token_of_another_search_is_refused(filled: Running) -> None:
    page = await filled.search.SearchRegions(search(page_size=5), timeout=DEADLINE)
    for other in (
        search(region=boxed(0, 0, 20, 10), page_token=page.next_page_token),
        search(shown(picture(2)), page_token=page.next_page_token),
        search(score=pb.SCORE_KIND_WHOLE, page_token=page.next_page_token),
        search(filter=image_pb.Filter(cameras=["cam0"]), page_token=page.next_page_token),
    ):
        again = partial(filled.search.SearchRegions, other, timeout=DEADLINE)
        code, status = await failure(again)
        assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_a_message_too_large_is_refused_and_the_next_is_served(running: Running) -> None:
    large = search(shown(bytes(LIMITS.request_bytes + 100_000)))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.search.SearchRegions(large, timeout=DEADLINE)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    request = pb.DescribeQueryRequest(image=IMAGE)
    assert (await running.search.DescribeQuery(request, timeout=DEADLINE)).query.width == 40


async def test_refused_images_do_not_end_an_upload(running: Running) -> None:
    good = upserts(3)
    pictures = [b"", b"text", bomb(), bytes(LIMITS.request_bytes + 1)]
    refused = [
        *(gallery_pb.UpsertImagesRequest(id="bad", data=data) for data in pictures),
        *(gallery_pb.UpsertImagesRequest(id=id, data=picture(1)) for id in ("", "x" * 513, "a\nb")),
    ]
    sent = [good[0], *refused, *good[1:]]
    answers = await running.upload(sent)
    assert [answer.index for answer in answers] == list(range(len(sent)))
    assert [answer.id for answer in answers] == [request.id for request in sent]
    reasons = [a.refused.reason for a in answers if a.HasField("refused")]
    assert reasons == ["IMAGE_INVALID"] * 4 + ["ID_INVALID"] * 3
    state = await running.gallery.GetGallery(gallery_pb.GetGalleryRequest(), timeout=DEADLINE)
    assert state.images == 3


async def test_an_id_that_no_image_can_have_is_refused(running: Running) -> None:
    code, status = await failure(
        lambda: running.gallery.GetImage(gallery_pb.GetImageRequest(id="a\0b"), timeout=DEADLINE)
    )
    assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "ID_INVALID")


async def test_a_message_too_large_ends_an_upload_and_loses_nothing(running: Running) -> None:
    call = running.gallery.UpsertImages(timeout=DEADLINE)
    await call.write(upserts(1)[0])
    assert (await call.read()).HasField("committed")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        large = bytes(LIMITS.request_bytes + 100_000)
        await call.write(gallery_pb.UpsertImagesRequest(id="large", data=large))
        await call.read()
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    state = await running.gallery.GetGallery(gallery_pb.GetGalleryRequest(), timeout=DEADLINE)
    assert state.images == 1
