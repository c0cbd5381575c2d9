"""Thousands of pictures of every format, most of them damaged, as uploads, queries and masks."""

import random
from collections.abc import Mapping

import pytest
from fuzz_messages import Case
from fuzz_pictures import damaged, whole
from tests.server.fuzz.conftest import Cases, Target

from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

IDS = 50
BOX = region_pb.Region(box=region_pb.Box(x=1, y=1, width=5, height=5))


def case(seed: int, number: int, pictures: Mapping[str, bytes]) -> Case:
    """The call of a number: a search with a picture, a mask, or uploads of several."""
    chosen = random.Random(f"{seed}/{number}")

    def any_picture() -> bytes:
        return damaged(chosen.choice(list(pictures.values())), pictures, chosen)

    use, path = chosen.random(), "/partlens.v1.PartSearchService"
    if use < 0.6:
        image, regions = image_pb.QueryImage(data=any_picture()), [pb.QueryRegion(region=BOX)]
        search = pb.SearchRegionsRequest(images=[image], regions=regions, page_size=3)
        return Case(f"{path}/SearchRegions", (search.SerializeToString(),))
    if use < 0.9:
        mask = region_pb.Region(mask=region_pb.Mask(png=any_picture()))
        image = image_pb.QueryImage(data=pictures["png"])
        describe = pb.DescribeQueryRequest(image=image, regions=[mask])
        return Case(f"{path}/DescribeQuery", (describe.SerializeToString(),))
    # Several share a commit, or most of the time would be the disk's.
    ids = [f"fuzz{chosen.randrange(IDS)}" for _ in range(5)]
    uploads = [gallery_pb.UpsertImagesRequest(id=id, data=any_picture()) for id in ids]
    sent = tuple(upload.SerializeToString() for upload in uploads)
    return Case("/partlens.v1.GalleryService/UpsertImages", sent)


# 10,000 calls take a minute alone, and longer beside other work.
@pytest.mark.timeout(400)
def test_no_picture_harms_the_server(target: Target, cases: Cases) -> None:
    pictures, before = whole(), target.search()
    target.calls(cases, lambda number: case(cases.seed, number, pictures))
    assert target.search() == before
