"""Plain values to messages of the contract."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from partlens.client.questions import (
    Box,
    Filter,
    GalleryImageId,
    MapKind,
    Mask,
    Metadata,
    Point,
    Polygon,
    QueryId,
    QueryImage,
    QueryRegion,
    Region,
    Score,
    Upload,
)
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb

SCORES = {
    "default": search_pb.SCORE_KIND_DEFAULT,
    "whole": search_pb.SCORE_KIND_WHOLE,
    "part": search_pb.SCORE_KIND_PART,
}
MAPS = {
    "none": search_pb.MAP_KIND_NONE,
    "score": search_pb.MAP_KIND_SCORE,
    "overall": search_pb.MAP_KIND_OVERALL,
    "regions": search_pb.MAP_KIND_REGIONS,
}
SIDES = {"query": search_pb.PAIR_SIDE_QUERY, "retrieved": search_pb.PAIR_SIDE_RETRIEVED}


def region(value: Region) -> region_pb.Region:
    """Any region."""
    match value:
        case Box(x, y, width, height):
            return region_pb.Region(box=region_pb.Box(x=x, y=y, width=width, height=height))
        case Point(x, y):
            return region_pb.Region(point=region_pb.Point(x=x, y=y))
        case Polygon(points):
            corners = [region_pb.Point(x=x, y=y) for x, y in points]
            return region_pb.Region(polygon=region_pb.Polygon(points=corners))
        case Mask(array):
            height, width = array.shape
            bits = np.packbits(array.ravel()).tobytes()
            mask = region_pb.BitMask(width=width, height=height, bits=bits)
            return region_pb.Region(mask=region_pb.Mask(bit_mask=mask))


def query_image(value: QueryImage) -> image_pb.QueryImage:
    """An encoded picture, an image of the gallery, or one of an earlier call."""
    match value:
        case GalleryImageId(id):
            return image_pb.QueryImage(gallery_id=id)
        case QueryId(id):
            return image_pb.QueryImage(query_id=id)
        case data:
            return image_pb.QueryImage(data=data)


def search(
    images: Sequence[QueryImage],
    regions: Sequence[QueryRegion],
    where: Filter | None,
    score: Score,
    page_size: int,
    page_token: str,
    maps: Iterable[MapKind],
    thumbnails: bool,
    group_by: str,
) -> search_pb.SearchRegionsRequest:
    """A region search."""
    return search_pb.SearchRegionsRequest(
        images=[query_image(image) for image in images],
        regions=[
            search_pb.QueryRegion(
                image_index=one.image,
                region=region(one.region),
                weight=one.weight,
                exclude=one.exclude,
            )
            for one in regions
        ],
        filter=None if where is None else _filter(where),
        score=SCORES[score],
        page_size=page_size,
        page_token=page_token,
        maps=[MAPS[kind] for kind in maps],
        include_thumbnails=thumbnails,
        group_by=group_by,
    )


def pair(
    query: QueryImage,
    retrieved: QueryImage,
    of_query: Sequence[Region],
    of_retrieved: Sequence[Region],
) -> search_pb.ExplainPairRequest:
    """A pair to explain, with regions of either image."""
    sides = [("query", one) for one in of_query] + [("retrieved", one) for one in of_retrieved]
    return search_pb.ExplainPairRequest(
        query=query_image(query),
        retrieved=query_image(retrieved),
        regions=[search_pb.PairRegion(side=SIDES[side], region=region(one)) for side, one in sides],
    )


def describe(image: QueryImage, regions: Sequence[Region]) -> search_pb.DescribeQueryRequest:
    """An image to describe."""
    return search_pb.DescribeQueryRequest(
        image=query_image(image), regions=[region(one) for one in regions]
    )


def upload(value: Upload) -> gallery_pb.UpsertImagesRequest:
    """A picture for the gallery."""
    return gallery_pb.UpsertImagesRequest(
        id=value.id, data=value.data, uri=value.uri, metadata=metadata(value.metadata)
    )


def metadata(value: Metadata) -> image_pb.ImageMetadata:
    """What is known of an image."""
    return image_pb.ImageMetadata(
        camera=value.camera,
        track=value.track,
        captured_at=_time(value.captured_at),
        attributes=dict(value.attributes),
    )


def _filter(value: Filter) -> image_pb.Filter:
    return image_pb.Filter(
        cameras=value.cameras,
        tracks=value.tracks,
        captured_after=_time(value.captured_after),
        captured_before=_time(value.captured_before),
        attributes=dict(value.attributes),
        exclude_ids=value.exclude_ids,
        exclude_cameras=value.exclude_cameras,
    )


def _time(value: datetime | None) -> Timestamp | None:
    if value is None:
        return None
    if value.utcoffset() is None:
        raise ValueError(f"{value} has no time zone; give one")
    try:
        at = value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} lies outside the years 1 to 9999 in UTC") from None
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
