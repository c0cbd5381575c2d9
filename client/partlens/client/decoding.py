"""Converts protobuf messages to plain values."""

from collections.abc import Sequence
from datetime import UTC

import grpc
import numpy as np

from partlens.client.answers import (
    ActivationMap,
    DescribeAnswer,
    GalleryAnswer,
    GalleryImage,
    Hit,
    Limits,
    Model,
    PairAnswer,
    PartialMap,
    Query,
    ReportFile,
    SearchAnswer,
    SimilarityTerms,
    UpsertAnswer,
)
from partlens.client.errors import ServerError
from partlens.common.metadata import Metadata
from partlens.common.regions import Box
from partlens.common.registration import Axis, Registration
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb


def search(message: search_pb.SearchRegionsResponse) -> SearchAnswer:
    """A page of hits."""
    return SearchAnswer(
        [hit(one) for one in message.hits],
        message.next_page_token,
        [query(one) for one in message.queries],
        message.gallery_version,
        [query(one) for one in message.marks],
    )


def pair(message: search_pb.ExplainPairResponse) -> PairAnswer:
    """An explained pair."""
    terms = message.terms
    return PairAnswer(
        similarity=message.similarity,
        terms=SimilarityTerms(
            terms.position_position, terms.position_bias, terms.bias_position, terms.bias_bias
        ),
        query_map=activation_map(message.query_map),
        query_map_with_bias=activation_map(message.query_map_with_bias),
        retrieved_map=activation_map(message.retrieved_map),
        retrieved_map_with_bias=activation_map(message.retrieved_map_with_bias),
        partial_maps=[
            PartialMap(
                "query" if one.side == search_pb.PAIR_SIDE_QUERY else "retrieved",
                activation_map(one.map),
                one.constant,
            )
            for one in message.partial_maps
        ],
        query=query(message.query),
        retrieved=query(message.retrieved),
    )


def describe(message: search_pb.DescribeQueryResponse) -> DescribeAnswer:
    """A described image."""
    coverage = [activation_map(one) for one in message.coverage]
    return DescribeAnswer(query(message.query), coverage, message.model_digest)


def report(message: report_pb.ReportFile) -> ReportFile:
    """A report."""
    return ReportFile(message.data, message.media_type, message.name)


def upsert(message: gallery_pb.UpsertImagesResponse) -> UpsertAnswer:
    """Result of uploading one image."""
    return UpsertAnswer(
        message.id,
        message.index,
        message.committed.gallery_version,
        message.refused.reason,
        message.refused.message,
        message.committed.replaced,
    )


def gallery(message: gallery_pb.GetGalleryResponse) -> GalleryAnswer:
    """A gallery's size, its model and the server's limits."""
    model, limits = message.model, message.limits
    return GalleryAnswer(
        message.version,
        message.images,
        Model(
            model.name,
            model.digest,
            (model.input_width, model.input_height),
            (model.rows, model.cols),
            model.dimensions,
            model.licence,
            model.bias_share,
        ),
        Limits(
            limits.request_bytes,
            limits.image_pixels,
            limits.query_images,
            limits.regions,
            limits.search_page_size,
            limits.list_page_size,
            limits.marks,
        ),
    )


def image(message: image_pb.GalleryImage) -> GalleryImage:
    """An image that the gallery holds."""
    known = message.metadata
    at = known.captured_at.ToDatetime(UTC) if known.HasField("captured_at") else None
    return GalleryImage(
        message.id,
        message.uri,
        message.media_digest,
        message.width,
        message.height,
        Metadata(known.camera, known.track, at, dict(known.attributes)),
    )


def query(message: image_pb.DescribedQuery) -> Query:
    """A query image as the server keeps it."""
    return Query(
        message.query_id,
        message.width,
        message.height,
        (message.rows, message.cols),
        box(message.extent),
    )


def activation_map(message: image_pb.ActivationMap) -> ActivationMap:
    """A map; values float32 [rows, cols].

    Raises:
        ServerError: the message is not a map.
    """
    try:
        values = np.array(message.values, np.float32).reshape(message.rows, message.cols)
        looks = Registration(
            _axis(message.rows, message.row_centres), _axis(message.cols, message.col_centres)
        )
        return ActivationMap(values, box(message.extent), looks)
    except ValueError as error:
        raise ServerError(
            f"the server sent a map that cannot be read: {error}", grpc.StatusCode.INTERNAL
        ) from error


def _axis(cells: int, centres: Sequence[float]) -> Axis:
    return Axis(tuple(centres)) if centres else Axis.nominal(cells)


def box(message: region_pb.Box) -> Box:
    """A rectangle."""
    return Box(message.x, message.y, message.width, message.height)


def hit(message: search_pb.Hit) -> Hit:
    """An image that was found."""
    return Hit(
        id=message.id,
        score=message.score,
        map=activation_map(message.map) if message.HasField("map") else None,
        constant=message.constant,
        box=box(message.box),
        image=image(message.image),
        thumbnail=message.thumbnail,
        overall_maps=[activation_map(one) for one in message.overall_maps],
        region_maps=[activation_map(one) for one in message.region_maps],
        group=message.group,
        others_in_group=message.others_in_group,
    )
