"""GetPicture: originals as they were indexed, and the pictures of query images while kept."""

import asyncio
import io
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from PIL import Image
from redis_server import RedisServer
from tests.server.conftest import DEADLINE, Running, picture, reached, settings
from tests.server.sharing.conftest import replicas
from tests.server.test_bad_input import failure, reason

from partlens.common.pictures import decode
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import read_source
from partlens.server.app import create_server
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb

KINDS = {
    "a.png": ("PNG", "image/png"),
    "b.jpg": ("JPEG", "image/jpeg"),
    "c.webp": ("WEBP", "image/webp"),
    "d.gif": ("GIF", "image/gif"),
    "e.bmp": ("BMP", "application/octet-stream"),
}


def serving(
    model: MetricModel, gallery: Gallery, **sections: dict[str, object]
) -> AbstractAsyncContextManager[Running]:
    return reached(create_server(model, gallery, settings(**sections)))


@pytest.fixture
def photos(tmp_path: Path, model: MetricModel, gallery: Gallery) -> Path:
    """A folder of pictures that are in the gallery; one is stored lying on its side."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed, (name, (kind, _)) in enumerate(KINDS.items()):
        (folder / name).write_bytes(picture(seed, kind=kind))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    with Image.open(io.BytesIO(picture(9, 80, 50, "JPEG"))) as lying:
        lying.save(folder / "lying.jpg", exif=exif)
    index_images(gallery, model, read_source(folder))
    return folder


def asked(max_side: int = 0, **image: object) -> pb.GetPictureRequest:
    return pb.GetPictureRequest(image=image_pb.QueryImage(**image), max_side=max_side)  # type: ignore[arg-type]


def get(running: Running, request: pb.GetPictureRequest) -> Callable[[], object]:
    return lambda: running.gallery.GetPicture(request, timeout=DEADLINE)


async def described(running: Running, image: image_pb.QueryImage) -> str:
    request = search_pb.DescribeQueryRequest(image=image)
    return str((await running.search.DescribeQuery(request, timeout=DEADLINE)).query.query_id)


async def require_unavailable(running: Running, request: pb.GetPictureRequest, words: str) -> str:
    code, status = await failure(get(running, request))  # type: ignore[arg-type]
    assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "PICTURE_UNAVAILABLE")
    assert words in status.message
    return str(status.message)


async def require_thumbnail(running: Running, id: str) -> None:
    """The picture of an image whose original cannot be read shows its thumbnail, at every size."""
    thumbnail = (await running.gallery.GetImage(pb.GetImageRequest(id=id))).thumbnail
    for side in (30, 160, 1600):
        answer = await running.gallery.GetPicture(asked(side, gallery_id=id))
        assert answer.from_thumbnail and answer.media_type == "image/jpeg"
        with Image.open(io.BytesIO(answer.data)) as shown:
            assert max(shown.size) <= side
        assert answer.data == thumbnail or side < 160


async def test_an_original_is_returned_byte_for_byte_or_reduced_and_upright(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        for name in (*KINDS, "lying.jpg"):
            data = (photos / name).read_bytes()
            whole = await running.gallery.GetPicture(asked(gallery_id=f"photos/{name}"))
            assert whole.data == data
            assert whole.media_type == KINDS.get(name, ("", "image/jpeg"))[1]
            upright = decode(data)
            for side in (1, 30, 60, 80, 2**32 - 1):
                answer = await running.gallery.GetPicture(asked(side, gallery_id=f"photos/{name}"))
                assert answer.media_type == "image/jpeg" and not answer.from_thumbnail
                with Image.open(io.BytesIO(answer.data)) as shown:
                    assert shown.format == "JPEG" and not shown.getexif()
                    assert max(shown.size) == min(side, max(upright.shape[:2]))
                    same = Image.fromarray(upright).resize(shown.size, Image.Resampling.BICUBIC)
                    difference = np.abs(np.asarray(shown.convert("RGB"), float) - np.asarray(same))
                    assert difference.mean() < 12


async def test_the_query_id_of_a_gallery_image_means_its_original(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        id = await described(running, image_pb.QueryImage(gallery_id="photos/a.png"))
        answer = await running.gallery.GetPicture(asked(query_id=id))
        assert answer.data == (photos / "a.png").read_bytes()
        await running.upload([pb.UpsertImagesRequest(id="photos/a.png", data=picture(50))])
        code, status = await failure(get(running, asked(query_id=id)))  # type: ignore[arg-type]
        assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "QUERY_UNKNOWN")


async def test_every_other_place_gets_one_answer_whether_or_not_a_file_is_there(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    """Whoever adds images can name any place, and learns nothing about it."""
    outside, data = photos.parent / "outside.png", picture(20)
    outside.write_bytes(data)
    (photos / "inside.png").write_bytes(picture(21))
    (photos / "link.png").symlink_to(outside)
    places = [
        *(
            f"file://{outside}",
            str(outside),
            f"{photos}/../outside.png",
            f"file://{photos}/link.png",
        ),
        *(f"file://{photos}/%2e%2e/outside.png", "file:///nowhere/a.png", "http://127.0.0.1/a.png"),
        *(
            f"file://{photos}/inside.png",
            f"file://{photos}/missing.png",
            str(photos),
            "",
            "/dev/zero",
        ),
    ]
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        uploads = [
            pb.UpsertImagesRequest(id=f"u{n}", data=data, uri=uri) for n, uri in enumerate(places)
        ]
        assert all(one.HasField("committed") for one in await running.upload(uploads))
        words = {
            await require_unavailable(
                running, asked(gallery_id=f"u{n}"), "has changed since it was indexed"
            )
            for n in range(len(places))
        }
        for n in range(len(places)):
            await require_thumbnail(running, f"u{n}")
        assert len(words) == 1 and str(photos) not in words.pop()


async def test_a_file_that_changed_or_is_gone_is_not_given_out(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        (photos / "a.png").write_bytes(picture(30))
        (photos / "b.jpg").unlink()
        for name in ("a.png", "b.jpg"):
            await require_unavailable(running, asked(gallery_id=f"photos/{name}"), "has changed")
            await require_thumbnail(running, f"photos/{name}")
    async with serving(model, gallery) as running:
        await require_unavailable(running, asked(gallery_id="photos/c.webp"), "server.originals")


async def test_what_cannot_be_asked_for_is_named(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    limits: dict[str, object] = {"response_bytes": 4096}
    originals: dict[str, object] = {"originals": [str(photos)]}
    async with serving(model, gallery, server=originals, limits=limits) as running:
        for request, field, words in (
            (asked(), "image", "an image needs"),
            (asked(data=b"x"), "image.data", "give a gallery_id or a query_id"),
            (asked(gallery_id=""), "image.gallery_id", "0 characters"),
            (asked(gallery_id="photos/e.bmp"), "max_side", "give a smaller side"),
        ):
            code, status = await failure(get(running, request))  # type: ignore[arg-type]
            bad = error_details_pb2.BadRequest()
            assert code == grpc.StatusCode.INVALID_ARGUMENT and status.details[1].Unpack(bad)
            assert bad.field_violations[0].field == field and words in status.message
        for request, word in (
            (asked(gallery_id="nobody"), "IMAGE_UNKNOWN"),
            (asked(query_id="q-" + 40 * "0"), "QUERY_UNKNOWN"),
            (asked(query_id="../../etc"), "QUERY_UNKNOWN"),
        ):
            code, status = await failure(get(running, request))  # type: ignore[arg-type]
            assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, word)
        small = await running.gallery.GetPicture(asked(20, gallery_id="photos/e.bmp"))
        assert len(small.data) < 4096


async def test_an_original_over_the_limits_of_the_server_is_not_decoded(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    originals: dict[str, object] = {"originals": [str(photos)]}
    for limits in ({"image_pixels": 1000}, {"decoding_bytes": 10_000}):
        async with serving(model, gallery, server=originals, limits=dict(limits)) as running:
            reduced = await running.gallery.GetPicture(asked(160, gallery_id="photos/a.png"))
            assert reduced.from_thumbnail
            whole = await running.gallery.GetPicture(asked(gallery_id="photos/a.png"))
            assert whole.data == (photos / "a.png").read_bytes()


async def test_the_picture_of_a_query_image_is_returned_while_it_is_kept(
    model: MetricModel, gallery: Gallery
) -> None:
    sent = [picture(seed, kind="WEBP") for seed in range(6)]
    limits: dict[str, object] = {"kept_picture_bytes": 2 * max(map(len, sent)), "kept_queries": 4}
    async with serving(model, gallery, limits=limits) as running:
        ids = [await described(running, image_pb.QueryImage(data=data)) for data in sent]
        for id, data in list(zip(ids, sent, strict=True))[4:]:
            answer = await running.gallery.GetPicture(asked(query_id=id))
            assert (answer.data, answer.media_type) == (data, "image/webp")
            reduced = await running.gallery.GetPicture(asked(20, query_id=id))
            with Image.open(io.BytesIO(reduced.data)) as shown:
                assert max(shown.size) == 20
        await require_unavailable(running, asked(query_id=ids[2]), "send the picture again")
        code, status = await failure(get(running, asked(query_id=ids[0])))  # type: ignore[arg-type]
        assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "QUERY_UNKNOWN")
        # Sent again, its features need no pass, and its picture is there again.
        assert await described(running, image_pb.QueryImage(data=sent[2])) == ids[2]
        assert (await running.gallery.GetPicture(asked(query_id=ids[2]))).data == sent[2]


async def test_servers_share_pictures_that_are_not_too_large(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    small, large = picture(1), picture(2, 200, 200, "BMP")
    most = len(small)
    async with replicas(model, gallery, tmp_path, redis_server, redis={"picture_bytes": most}) as (
        first,
        second,
    ):
        ids = [await described(first, image_pb.QueryImage(data=data)) for data in (small, large)]
        assert (await second.gallery.GetPicture(asked(query_id=ids[0]))).data == small
        await require_unavailable(second, asked(query_id=ids[1]), "no longer keeps")
        assert (await first.gallery.GetPicture(asked(query_id=ids[1]))).data == large
        with redis_server.client as client:
            keys = client.keys(f"{tmp_path.name}:picture:*")
            assert keys == [f"{tmp_path.name}:picture:{ids[0]}".encode()]
            assert 0 < client.ttl(keys[0]) <= 3600
        other = await described(first, image_pb.QueryImage(data=picture(3)))
        with redis_server.client as client:
            for made_up in (picture(4), b"<script>", bytes(2 * most)):
                client.set(f"{tmp_path.name}:picture:{other}", made_up)
                await require_unavailable(second, asked(query_id=other), "no longer keeps")


async def test_reads_are_audited_without_ids_and_paths(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        await running.gallery.GetPicture(asked(gallery_id="photos/a.png"))
        (photos / "a.png").unlink()
        await require_unavailable(running, asked(gallery_id="photos/a.png"), "is missing")
        where = image_pb.Filter(ids=["photos/a.png"])
        await running.gallery.ListImages(pb.ListImagesRequest(filter=where))
        await running.gallery.GetFacets(pb.GetFacetsRequest(filter=where))
        version = gallery.view.number
    text = (photos.parent / "gallery.audit.jsonl").read_text()
    lines = [one for one in map(json.loads, text.splitlines()) if "method" in one]
    assert [(one["method"], one["outcome"], one["gallery_version"]) for one in lines] == [
        ("GetPicture", "OK", version),
        ("GetPicture", "NOT_FOUND", version),
        ("ListImages", "OK", version),
        ("GetFacets", "OK", version),
    ]
    assert all(len(one["query"]) == 32 for one in lines) and "a.png" not in text


async def test_many_who_want_pictures_at_once_are_all_answered(
    model: MetricModel, gallery: Gallery, photos: Path
) -> None:
    async with serving(model, gallery, server={"originals": [str(photos)]}) as running:
        requests = [
            asked(side, gallery_id=f"photos/{n}") for n in KINDS for side in range(0, 40, 5)
        ]
        answers = await asyncio.gather(*(running.gallery.GetPicture(one) for one in requests))
        assert all(answer.data for answer in answers)
