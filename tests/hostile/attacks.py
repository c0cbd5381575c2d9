"""What a hostile or careless caller sends: whole messages, made before anything is measured."""

import io
from collections.abc import Iterator

from PIL import Image
from served import picture

from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

SEARCH = "/partlens.v1.PartSearchService/SearchRegions"
DELETE = "/partlens.v1.GalleryService/DeleteImages"
UPSERT = "/partlens.v1.GalleryService/UpsertImages"
GET = "/partlens.v1.GalleryService/GetImage"
CREATE = "/partlens.v1.StandingQueryService/CreateStandingQuery"
WATCH = "/partlens.v1.StandingQueryService/WatchMatches"

# Fields of the contract that are repeated below without building ten million messages.
_EMPTY_REGION = b"\x1a\x00"


def search(seed: int = 0, **filter: object) -> search_pb.SearchRegionsRequest:
    """An honest search, with conditions."""
    box = region_pb.Region(box=region_pb.Box(x=4, y=2, width=20, height=20))
    return search_pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(seed))],
        regions=[search_pb.QueryRegion(region=box)],
        filter=image_pb.Filter(**filter),  # type: ignore[arg-type]
    )


def conditions(count: int, first: int = 0) -> bytes:
    """A search with this many conditions on attributes that no image has."""
    names = (f"{number}" for number in range(first, first + count))
    return search(attributes=dict.fromkeys(names, "")).SerializeToString()


def excluded(count: int) -> bytes:
    """A search that excludes this many ids."""
    return search(exclude_ids=[f"nobody {n}" for n in range(count)]).SerializeToString()


def corners(regions: int, count: int) -> bytes:
    """A search for this many regions of this many corners."""
    zigzag = [region_pb.Point(x=n % 2 * 20, y=n * 40 / count) for n in range(count)]
    outline = region_pb.Region(polygon=region_pb.Polygon(points=zigzag))
    asked = search()
    del asked.regions[:]
    asked.regions.extend([search_pb.QueryRegion(region=outline)] * regions)
    return asked.SerializeToString()


def deleted(count: int) -> bytes:
    """A deletion of this many images, none of which exists."""
    ids = [f"nobody {n}" for n in range(count)]
    return gallery_pb.DeleteImagesRequest(ids=ids).SerializeToString()


def empty_regions(count: int) -> bytes:
    """A standing query with this many regions, each of two bytes."""
    asked = standing_pb.CreateStandingQueryRequest(images=[image_pb.QueryImage(data=picture(0))])
    return asked.SerializeToString() + _EMPTY_REGION * count


def long_uris(count: int, size: int) -> Iterator[bytes]:
    """Uploads of pictures whose addresses are this many bytes long."""
    for number in range(count):
        yield gallery_pb.UpsertImagesRequest(
            id=f"uri {number}", data=picture(number), uri="u" * size
        ).SerializeToString()


def large_pictures(count: int, width: int, height: int) -> Iterator[bytes]:
    """Uploads of pictures of few bytes and many pixels."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), (90, 120, 30)).save(out, "JPEG", quality=50)
    for number in range(count):
        yield gallery_pb.UpsertImagesRequest(
            id=f"large {number}", data=out.getvalue()
        ).SerializeToString()
