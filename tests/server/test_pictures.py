"""Every kind of picture is taken by an upload and by a search, and seen upright and in colour."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.server.conftest import DEADLINE, Running

from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

NOISE = np.random.default_rng(3).integers(0, 256, (6, 4, 3), np.uint8)
UPRIGHT = Image.fromarray(NOISE).resize((40, 60), Image.Resampling.BICUBIC)
GREY = UPRIGHT.convert("L")
EXIF = Image.Exif()
EXIF[0x0112] = 6  # to be shown a quarter turn to the right


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


PLAIN, PLAIN_GREY = encoded(UPRIGHT, "PNG"), encoded(GREY, "PNG")
# The picture, and the plain one that it shows.
KINDS = {
    "cmyk": (encoded(UPRIGHT.convert("CMYK"), "JPEG", quality=100), PLAIN),
    "16 bits": (
        encoded(Image.fromarray(np.asarray(GREY).astype(np.uint16) * 257), "PNG"),
        PLAIN_GREY,
    ),
    "palette": (encoded(UPRIGHT.quantize(256), "PNG"), PLAIN),
    "opaque alpha": (encoded(UPRIGHT.convert("RGBA"), "PNG"), PLAIN),
    "animated": (
        encoded(UPRIGHT, "WEBP", lossless=True, save_all=True, append_images=[GREY.convert("RGB")]),
        PLAIN,
    ),
    "rotated": (
        encoded(UPRIGHT.transpose(Image.Transpose.ROTATE_90), "PNG", exif=EXIF),
        PLAIN,
    ),
}


@pytest.mark.parametrize(("data", "plain"), KINDS.values(), ids=KINDS)
async def test_each_kind_is_seen_as_the_plain_picture_that_it_shows(
    running: Running, data: bytes, plain: bytes
) -> None:
    uploads = [
        gallery_pb.UpsertImagesRequest(id=id, data=one)
        for id, one in (("kind", data), ("plain", plain))
    ]
    assert all(answer.HasField("committed") for answer in await running.upload(uploads))
    box = region_pb.Region(box=region_pb.Box(x=3, y=2, width=20, height=31))
    scores = []
    for query in (data, plain):
        request = pb.SearchRegionsRequest(
            images=[image_pb.QueryImage(data=query)],
            regions=[pb.QueryRegion(region=box)],
            score=pb.SCORE_KIND_PART,
        )
        answer = await running.search.SearchRegions(request, timeout=DEADLINE)
        assert (answer.queries[0].width, answer.queries[0].height) == (40, 60)
        assert {(hit.image.width, hit.image.height) for hit in answer.hits} == {(40, 60)}
        scores += [hit.score for hit in answer.hits]
    # In grey it would score 0.986, turned 0.962.
    assert scores == pytest.approx([1.0] * 4, abs=1e-3)
