"""Converts plain values to protobuf messages."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from partlens.client import checks, pictures
from partlens.client.errors import RequestError
from partlens.client.filter_messages import filter_message, moment, require_possible
from partlens.client.questions import (
    GalleryImageId,
    MapKind,
    Mark,
    PairSelection,
    QueryId,
    QueryImage,
    QueryImages,
    QueryRegion,
    QueryRegions,
    Regions,
    ReportFormat,
    Score,
    Upload,
)
from partlens.common.filters import Filter
from partlens.common.metadata import Metadata
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb

SCORES = {
    "default": search_pb.SCORE_KIND_DEFAULT,
    "context": search_pb.SCORE_KIND_CONTEXT,
    "whole": search_pb.SCORE_KIND_WHOLE,
    "part": search_pb.SCORE_KIND_PART,
}
MAPS = {
    "none": search_pb.MAP_KIND_NONE,
    "score": search_pb.MAP_KIND_SCORE,
    "overall": search_pb.MAP_KIND_OVERALL,
    "regions": search_pb.MAP_KIND_REGIONS,
}
FORMATS = {"html": report_pb.REPORT_FORMAT_HTML, "pdf": report_pb.REPORT_FORMAT_PDF}
SIDES = {"query": search_pb.PAIR_SIDE_QUERY, "retrieved": search_pb.PAIR_SIDE_RETRIEVED}


def region(value: Region, name: str = "region") -> region_pb.Region:
    """Any region.

    Args:
        name: name to use in errors.

    Raises:
        RequestError: the value cannot be sent; every function here raises this.
    """
    match value:
        case Box(x, y, width, height):
            x, y, width, height = _numbers(name, x=x, y=y, width=width, height=height)
            return region_pb.Region(box=region_pb.Box(x=x, y=y, width=width, height=height))
        case Point(x, y, snap):
            snap = checks.flag(f"{name}.snap", snap)
            return region_pb.Region(point=_point(name, (x, y)), snap=snap)
        case Polygon(points):
            listed = enumerate(checks.several(f"{name}.points", points))
            corners = [_point(f"{name}.points[{i}]", point) for i, point in listed]
            return region_pb.Region(polygon=region_pb.Polygon(points=corners))
        case Mask(array):
            return region_pb.Region(mask=region_pb.Mask(bit_mask=_bits(name, array)))
        case Whole():
            return region_pb.Region(whole=region_pb.Whole())
    raise RequestError(
        f"{name} must be a Box, Point, Polygon, Mask or Whole, not {checks.shown(value)}"
        f"{_hint(value)}",
        name,
    )


def query_image(value: QueryImage, name: str = "image") -> image_pb.QueryImage:
    """A picture, an image of the gallery, or one of an earlier call."""
    match value:
        case GalleryImageId(id):
            return image_pb.QueryImage(gallery_id=checks.text(f"{name}.id", id))
        case QueryId(id):
            return image_pb.QueryImage(query_id=checks.text(f"{name}.id", id))
        case data:
            return image_pb.QueryImage(data=pictures.encoded(name, data))


def kept_images(images: QueryImages) -> list[QueryImage]:
    """Query images with each picture read once, so that later pages use the same bytes."""
    return [
        image
        if isinstance(image, GalleryImageId | QueryId)
        else pictures.encoded(f"images[{i}]", image)
        for i, image in enumerate(_listed("images", images))
    ]


def search(
    images: QueryImages,
    regions: QueryRegions,
    where: Filter | None,
    score: Score,
    page_size: int,
    page_token: str,
    maps: Iterable[MapKind],
    thumbnails: bool,
    group_by: str,
    marks: Sequence[Mark] = (),
    exclude_identical: bool = False,
    allow_partial: bool = False,
) -> search_pb.SearchRegionsRequest:
    """A region search."""
    kinds = [checks.choice("maps", kind, MAPS) for kind in checks.several("maps", maps)]
    return search_pb.SearchRegionsRequest(
        images=[
            query_image(image, f"images[{i}]") for i, image in enumerate(_listed("images", images))
        ],
        regions=[
            _query_region(one, f"regions[{i}]") for i, one in enumerate(_listed("regions", regions))
        ],
        filter=None if where is None else _filter(where),
        score=SCORES[checks.choice("score", score, SCORES)],
        page_size=checks.whole("page_size", page_size),
        page_token=checks.text("page_token", page_token),
        maps=[MAPS[kind] for kind in kinds],
        include_thumbnails=checks.flag("thumbnails", thumbnails),
        group_by=checks.text("group_by", group_by),
        marks=[_mark(one, f"marks[{i}]") for i, one in enumerate(checks.several("marks", marks))],
        exclude_identical=checks.flag("exclude_identical", exclude_identical),
        allow_partial=checks.flag("allow_partial", allow_partial),
    )


def pair(
    query: QueryImage,
    retrieved: QueryImage,
    of_query: Regions,
    of_retrieved: Regions,
    pairs: PairSelection | None = None,
) -> search_pb.ExplainPairRequest:
    """A pair to explain, with regions of either image and pairs of positions."""
    return search_pb.ExplainPairRequest(
        query=query_image(query, "query"),
        retrieved=query_image(retrieved, "retrieved"),
        regions=[
            search_pb.PairRegion(side=SIDES[side], region=one)
            for side, given in (("query", of_query), ("retrieved", of_retrieved))
            for one in _regions(f"{side}_regions", given)
        ],
        pairs=None if pairs is None else _pairs(pairs),
    )


def describe(image: QueryImage, regions: Regions) -> search_pb.DescribeQueryRequest:
    """An image to describe."""
    return search_pb.DescribeQueryRequest(
        image=query_image(image), regions=_regions("regions", regions)
    )


def report_search(
    search: search_pb.SearchRegionsRequest, format: ReportFormat, title: str
) -> report_pb.ReportSearchRequest:
    """A search to report."""
    return report_pb.ReportSearchRequest(
        search=search,
        format=FORMATS[checks.choice("format", format, FORMATS)],
        title=checks.text("title", title),
    )


def report_pair(
    pair: search_pb.ExplainPairRequest, format: ReportFormat, title: str
) -> report_pb.ReportPairRequest:
    """A pair to report."""
    return report_pb.ReportPairRequest(
        pair=pair,
        format=FORMATS[checks.choice("format", format, FORMATS)],
        title=checks.text("title", title),
    )


def upload(value: Upload, gallery: str = "") -> gallery_pb.UpsertImagesRequest:
    """A picture for a gallery."""
    if not isinstance(value, Upload):
        raise RequestError(f"images must be Uploads; one is {checks.shown(value)}", "images")
    return gallery_pb.UpsertImagesRequest(
        id=checks.text("id", value.id),
        data=pictures.encoded("data", value.data),
        uri=checks.text("uri", value.uri),
        metadata=metadata(value.metadata),
        gallery=gallery,
    )


def metadata(value: Metadata) -> image_pb.ImageMetadata:
    """Metadata of an image."""
    if not isinstance(value, Metadata):
        raise RequestError(f"metadata must be a Metadata, not {checks.shown(value)}", "metadata")
    return image_pb.ImageMetadata(
        camera=checks.text("metadata.camera", value.camera),
        track=checks.text("metadata.track", value.track),
        captured_at=moment("metadata.captured_at", value.captured_at),
        attributes=checks.pairs("metadata.attributes", value.attributes),
    )


def get_image(id: str) -> gallery_pb.GetImageRequest:
    """An image to fetch."""
    return gallery_pb.GetImageRequest(id=checks.text("id", id))


def upsert_image(value: Upload) -> gallery_pb.UpsertImageRequest:
    """A picture for the gallery, by itself."""
    one = upload(value)
    return gallery_pb.UpsertImageRequest(
        id=one.id, data=one.data, uri=one.uri, metadata=one.metadata
    )


def set_alias(alias: str, gallery: str) -> gallery_pb.SetGalleryAliasRequest:
    """A move of an alias."""
    return gallery_pb.SetGalleryAliasRequest(
        alias=checks.text("alias", alias), gallery=checks.text("gallery", gallery)
    )


def delete_alias(alias: str) -> gallery_pb.DeleteGalleryAliasRequest:
    """The removal of an alias."""
    return gallery_pb.DeleteGalleryAliasRequest(alias=checks.text("alias", alias))


def get_picture(image: GalleryImageId | QueryId, max_side: int) -> gallery_pb.GetPictureRequest:
    """A picture to fetch."""
    if not isinstance(image, GalleryImageId | QueryId):
        raise RequestError(
            f"image must be a GalleryImageId or QueryId, not {checks.shown(image)}", "image"
        )
    return gallery_pb.GetPictureRequest(
        image=query_image(image), max_side=checks.whole("max_side", max_side)
    )


def get_facets(where: Filter | None, values: int) -> gallery_pb.GetFacetsRequest:
    """Images to count."""
    return gallery_pb.GetFacetsRequest(
        filter=None if where is None else _filter(where), values=checks.whole("values", values)
    )


def list_images(
    page_size: int, page_token: str, where: Filter | None, prefix: str, thumbnails: bool
) -> gallery_pb.ListImagesRequest:
    """A page of a listing."""
    return gallery_pb.ListImagesRequest(
        page_size=checks.whole("page_size", page_size),
        page_token=page_token,
        filter=None if where is None else _filter(where),
        include_thumbnails=checks.flag("thumbnails", thumbnails),
        prefix=checks.text("prefix", prefix),
    )


def delete_images(ids: Sequence[str]) -> gallery_pb.DeleteImagesRequest:
    """Images to delete."""
    return gallery_pb.DeleteImagesRequest(ids=checks.texts("ids", ids))


def _query_region(value: Region | QueryRegion, name: str) -> search_pb.QueryRegion:
    if not isinstance(value, QueryRegion):
        return search_pb.QueryRegion(region=region(value, name), weight=1)
    return search_pb.QueryRegion(
        image_index=checks.whole(f"{name}.image", value.image),
        region=region(value.region, f"{name}.region"),
        weight=checks.above_zero(f"{name}.weight", value.weight),
        exclude=checks.flag(f"{name}.exclude", value.exclude),
    )


def _mark(value: Mark, name: str) -> search_pb.Mark:
    if not isinstance(value, Mark):
        raise RequestError(f"{name} must be a Mark, not {checks.shown(value)}", name)
    about, weight, place = value.about, value.weight, value.region
    return search_pb.Mark(
        image=query_image(value.image, f"{name}.image"),
        region=None if place is None else region(place, f"{name}.region"),
        region_index=None if about is None else checks.whole(f"{name}.about", about),
        weight=None if weight is None else checks.not_negative(f"{name}.weight", weight),
        unlike=checks.flag(f"{name}.unlike", value.unlike),
    )


def _pairs(value: PairSelection) -> search_pb.PairSelection:
    if not isinstance(value, PairSelection):
        raise RequestError(f"pairs must be a PairSelection, not {checks.shown(value)}", "pairs")
    given = checks.several("pairs.positions", value.positions)
    return search_pb.PairSelection(
        side=SIDES[checks.choice("pairs.side", value.side, SIDES)],
        positions=[checks.whole(f"pairs.positions[{i}]", one) for i, one in enumerate(given)],
    )


def _regions(name: str, given: Regions) -> list[region_pb.Region]:
    return [region(one, f"{name}[{i}]") for i, one in enumerate(_listed(name, given))]


def _listed(name: str, given: Any) -> Iterable[Any]:
    """Several images or regions; one counts as a list of one."""
    single = isinstance(given, GalleryImageId | QueryId | QueryRegion | Region)
    # Numbers in place of a shape, which region() refuses with a hint.
    single |= isinstance(given, tuple | list) and any(isinstance(one, int | float) for one in given)
    if single or (name == "images" and pictures.is_picture(given)):
        return [given]
    return checks.several(name, given)


def _hint(value: Any) -> str:
    """What to write instead of something that was meant as a region."""
    if isinstance(value, QueryRegion):
        return ". Give the shape itself: a QueryRegion is for searches"
    if isinstance(value, np.ndarray):
        return ". Give Mask(array)"
    if isinstance(value, type):
        return f". Give {value.__name__}(...)"
    if isinstance(value, tuple | list) and len(value) == 4:
        return ". Give Box(x, y, width, height)"
    if isinstance(value, tuple | list) and len(value) == 2:
        return ". Give Point(x, y)"
    return ""


def _point(name: str, xy: Any) -> region_pb.Point:
    try:
        x, y = xy
    except (TypeError, ValueError):
        raise RequestError(f"{name} must be a pair (x, y), not {checks.shown(xy)}", name) from None
    x, y = _numbers(name, x=x, y=y)
    return region_pb.Point(x=x, y=y)


def _numbers(name: str, **given: Any) -> list[float]:
    return [checks.number(f"{name}.{key}", value) for key, value in given.items()]


def _bits(name: str, array: Any) -> region_pb.BitMask:
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype != np.bool_:
        kind = f"{array.dtype} {list(array.shape)}" if isinstance(array, np.ndarray) else array
        raise RequestError(
            f"{name}.array must be a bool array [height, width], not {kind!s:.60}", name
        )
    height, width = array.shape
    bits = np.packbits(array.ravel()).tobytes()
    return region_pb.BitMask(width=width, height=height, bits=bits)


def _filter(value: Filter) -> image_pb.Filter:
    message = filter_message(value)
    require_possible(message)
    return message
