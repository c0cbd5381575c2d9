"""Decodes requests. All checks of request fields are here."""

from collections.abc import Sequence
from typing import Literal, cast

from partlens.common.filters import GroupBy
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.common.regions import Whole
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.scoring import BEST, Score
from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import RequestError
from partlens.server.messages.decoding_filters import time, where
from partlens.server.messages.decoding_images import image_id, source
from partlens.server.messages.decoding_marks import HEAVIEST, marks_of
from partlens.server.messages.decoding_pairs import SIDES, pairs_of
from partlens.server.messages.decoding_regions import RegionDecoder
from partlens.server.requests.questions import (
    DescribeQuestion,
    MapKind,
    PairQuestion,
    RegionToExplain,
    RegionToFind,
    SearchQuestion,
    Upload,
)
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import part_search_service_pb2 as search_pb

DEFAULT_SEARCH_PAGE, DEFAULT_LIST_PAGE = 20, 100
DEFAULT_FACET_VALUES, MOST_FACET_VALUES = 50, 1000

_SCORES: dict[int, Score] = {
    search_pb.SCORE_KIND_UNSPECIFIED: BEST,
    search_pb.SCORE_KIND_DEFAULT: BEST,
    search_pb.SCORE_KIND_CONTEXT: "context",
    search_pb.SCORE_KIND_WHOLE: "whole",
    search_pb.SCORE_KIND_PART: "part",
}
_SCORES_OF_WHOLE = (
    search_pb.SCORE_KIND_UNSPECIFIED,
    search_pb.SCORE_KIND_DEFAULT,
    search_pb.SCORE_KIND_WHOLE,
)
_MAPS: dict[int, MapKind] = {
    search_pb.MAP_KIND_SCORE: "score",
    search_pb.MAP_KIND_OVERALL: "overall",
    search_pb.MAP_KIND_REGIONS: "regions",
}


def search(
    request: search_pb.SearchRegionsRequest,
    limits: LimitsSection,
    require_waiting: RequireWaiting = wait_always,
) -> SearchQuestion:
    """Decode a search.

    Args:
        require_waiting: ends the decoding of masks with what it raises.

    Raises:
        RequestError: a field is invalid.
    """
    _require_some("images", len(request.images), limits.query_images)
    _require_some("regions", len(request.regions), limits.regions)
    decoder = RegionDecoder(limits.image_pixels, require_waiting)
    regions = tuple(
        _region_to_find(decoder, region, f"regions[{i}]", len(request.images))
        for i, region in enumerate(request.regions)
    )
    if all(region.weight < 0 for region in regions):
        raise RequestError("regions", "every region is excluded; include at least one")
    return SearchQuestion(
        images=tuple(source(image, f"images[{i}]") for i, image in enumerate(request.images)),
        regions=regions,
        where=where(request.filter),
        score=_score(request.score, regions),
        page_size=page_size(request.page_size, DEFAULT_SEARCH_PAGE, limits.search_page_size),
        page_token=request.page_token,
        maps=_map_kinds(list(request.maps)),
        thumbnails=request.include_thumbnails,
        by=_group_by(request.group_by),
        marks=marks_of(decoder, request.marks, regions),
        exclude_identical=request.exclude_identical,
        partial=request.allow_partial,
    )


def pair(
    request: search_pb.ExplainPairRequest,
    limits: LimitsSection,
    grid: tuple[int, int],
    require_waiting: RequireWaiting = wait_always,
) -> PairQuestion:
    """Decode an explanation of a pair; raises RequestError as search does.

    Args:
        grid: (rows, cols) of the model.
    """
    decoder, regions = RegionDecoder(limits.image_pixels, require_waiting), []
    for i, region in enumerate(request.regions):
        field = f"regions[{i}]"
        if region.side not in SIDES:
            raise RequestError(f"{field}.side", "allowed are PAIR_SIDE_QUERY, PAIR_SIDE_RETRIEVED")
        field = f"{field}.region"
        shape = decoder.region(region.region, field)
        regions.append(RegionToExplain(SIDES[region.side], shape, field))
    query, retrieved = source(request.query, "query"), source(request.retrieved, "retrieved")
    pairs = pairs_of(request.pairs, limits, grid) if request.HasField("pairs") else None
    return PairQuestion(query, retrieved, tuple(regions), pairs)


def describe(
    request: search_pb.DescribeQueryRequest,
    limits: LimitsSection,
    require_waiting: RequireWaiting = wait_always,
) -> DescribeQuestion:
    """Decode a description of a query; raises RequestError as search does."""
    decoder = RegionDecoder(limits.image_pixels, require_waiting)
    fields = [f"regions[{i}]" for i in range(len(request.regions))]
    regions = [
        (decoder.region(region, field), field)
        for region, field in zip(request.regions, fields, strict=True)
    ]
    return DescribeQuestion(source(request.image, "image"), tuple(regions))


def upload(request: gallery_pb.UpsertImagesRequest | gallery_pb.UpsertImageRequest) -> Upload:
    """The image that a request adds; raises RequestError as search does."""
    metadata = Metadata(
        camera=request.metadata.camera,
        track=request.metadata.track,
        captured_at=time(request.metadata, "captured_at", "metadata.captured_at"),
        attributes=dict(request.metadata.attributes),
    )
    try:
        require_metadata(metadata, request.uri)
    except MetadataError as error:
        field = error.field if error.field == "uri" else f"metadata.{error.field}"
        raise RequestError(field, error.problem) from error
    return Upload(image_id(request.id, "id"), request.data, request.uri, metadata)


def page_size(given: int, default: int, most: int) -> int:
    """The number of items per page.

    Raises:
        RequestError: more than the maximum.

    >>> page_size(0, 20, 100), page_size(0, 20, 10), page_size(7, 20, 100)
    (20, 10, 7)
    """
    if given > most:
        raise RequestError(
            "page_size", f"{given}; at most {most} are allowed: request more pages instead"
        )
    return given or min(default, most)


def facet_values(given: int) -> int:
    """The number of values per facet.

    Raises:
        RequestError: more than the maximum.
    """
    if given > MOST_FACET_VALUES:
        raise RequestError("values", f"{given}; at most {MOST_FACET_VALUES} are allowed")
    return given or DEFAULT_FACET_VALUES


def _region_to_find(
    decoder: RegionDecoder, region: search_pb.QueryRegion, field: str, images: int
) -> RegionToFind:
    if region.image_index >= images:
        raise RequestError(
            f"{field}.image_index",
            f"{region.image_index}; the request has {images} image{'s' * (images != 1)}",
        )
    weight = region.weight if region.HasField("weight") else 1.0
    if not 0 < weight <= HEAVIEST:
        raise RequestError(
            f"{field}.weight",
            f"{weight:g}: must be above 0, at most 1e6; to exclude the region, set exclude",
        )
    shape = decoder.region(region.region, f"{field}.region")
    signed = -weight if region.exclude else weight
    return RegionToFind(region.image_index, shape, signed, f"{field}.region")


def _score(given: int, regions: Sequence[RegionToFind]) -> Score:
    if given not in _SCORES:
        raise RequestError("score", f"{given} is not a ScoreKind; leave it out for the default")
    if not any(isinstance(one.region, Whole) for one in regions):
        return _SCORES[given]
    if given not in _SCORES_OF_WHOLE:
        raise RequestError(
            "score",
            "a whole image is ranked by its cosine similarity: leave the score out, or give WHOLE"
            " (SCORE_KIND_WHOLE; --score whole)",
        )
    return "whole"


def _map_kinds(kinds: list[int]) -> frozenset[MapKind]:
    if not kinds:
        return frozenset({"score"})
    if kinds == [search_pb.MAP_KIND_NONE]:
        return frozenset()
    for i, kind in enumerate(kinds):
        if kind not in _MAPS:
            raise RequestError(
                f"maps[{i}]",
                f"{kind} is not allowed here; give MAP_KIND_NONE by itself, or any of"
                " MAP_KIND_SCORE, MAP_KIND_OVERALL and MAP_KIND_REGIONS",
            )
    return frozenset(_MAPS[kind] for kind in kinds)


def _group_by(text: str) -> GroupBy | None:
    kind, colon, attribute = text.partition(":")
    if not text:
        return None
    if kind == "attribute" and attribute:
        return GroupBy(attribute=attribute)
    if kind not in ("track", "camera") or colon:
        raise RequestError(
            "group_by", f'{text[:80]!r}: allowed are "track", "camera" and "attribute:NAME"'
        )
    return GroupBy(cast("Literal['track', 'camera']", kind))


def _require_some(field: str, given: int, most: int) -> None:
    # Too many are refused before the message is parsed.
    if not given:
        raise RequestError(field, f"none given; give 1 to {most}")
