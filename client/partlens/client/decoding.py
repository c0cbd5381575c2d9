"""Converts protobuf messages to plain values."""

from datetime import UTC
from functools import lru_cache

import grpc
import numpy as np

from partlens.client.answers import (
    AliasMoved,
    Caller,
    Facet,
    Facets,
    GalleryAnswer,
    GalleryImage,
    Indexing,
    Limits,
    Model,
    NamedGallery,
    Picture,
    ReportFile,
    UpsertAnswer,
)
from partlens.client.errors import ServerError
from partlens.client.search_answers import (
    DescribeAnswer,
    Hit,
    PairAnswer,
    PairMatrix,
    Query,
    SearchAnswer,
)
from partlens.common.activation_map import ActivationMap
from partlens.common.explained_pair import PartialMap, Side, SimilarityTerms
from partlens.common.metadata import Metadata
from partlens.common.regions import Box
from partlens.common.registration import Axis, Registration
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb

_MOST_CELLS = 65_536
"""Most rows or columns of a map: the length of an axis is allocated before its values are seen."""
_AXES = 8
"""Axes that are remembered: the maps of a gallery all have the same two, which take longer to check
than the values."""


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
                _side(one.side),
                activation_map(one.map),
                one.constant,
            )
            for one in message.partial_maps
        ],
        query=query(message.query),
        retrieved=query(message.retrieved),
        pairs=pair_matrix(message.pairs) if message.HasField("pairs") else None,
    )


def pair_matrix(message: search_pb.PairMatrix) -> PairMatrix:
    """Pairs of positions; values float32 [I, P].

    Raises:
        ServerError: the message is not such a matrix.
    """
    rows, cols = len(message.positions), len(message.other_bias)
    try:
        if len(message.bias) != rows:
            raise ValueError(f"{len(message.bias)} values of bias for {rows} rows")
        sent = np.frombuffer(message.values, "<f2").reshape(rows, cols)
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.asarray(sent * np.float64(message.scale), np.float32)
        if not np.isfinite(values).all():
            raise ValueError("a value that is not a finite number")
    except ValueError as error:
        raise _unreadable("pairs of positions", error) from error
    return PairMatrix(
        _side(message.side),
        tuple(message.positions),
        values,
        np.array(message.bias, np.float32),
        np.array(message.other_bias, np.float32),
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
    limits, caller, indexing = message.limits, message.caller, message.indexing
    return GalleryAnswer(
        message.version,
        message.images,
        _model(message.model),
        Limits(
            limits.request_bytes,
            limits.image_pixels,
            limits.query_images,
            limits.regions,
            limits.search_page_size,
            limits.list_page_size,
            limits.marks,
            limits.pairs,
        ),
        Caller(caller.name, tuple(caller.scopes), tuple(caller.cameras), tuple(caller.galleries))
        if message.HasField("caller")
        else None,
        message.server_version,
        Indexing(
            indexing.done, indexing.total, indexing.skipped, indexing.finished, indexing.problem
        )
        if message.HasField("indexing")
        else None,
        message.gallery,
    )


def _model(model: gallery_pb.Model) -> Model:
    return Model(
        model.name,
        model.digest,
        (model.input_width, model.input_height),
        (model.rows, model.cols),
        model.dimensions,
        model.licence,
        model.bias_share,
    )


def named_gallery(message: gallery_pb.GalleryName) -> NamedGallery:
    """A name of a gallery."""
    moved = message.moved_at.ToDatetime(UTC) if message.HasField("moved_at") else None
    return NamedGallery(
        message.name,
        message.gallery,
        message.default,
        message.version,
        message.images,
        _model(message.model),
        moved,
    )


def alias_moved(message: gallery_pb.SetGalleryAliasResponse) -> AliasMoved:
    """An alias that has moved."""
    return AliasMoved(message.before, {one.id: one.name for one in message.left})


def committed(id: str, message: gallery_pb.UpsertCommitted) -> UpsertAnswer:
    """An image that was uploaded by itself."""
    return UpsertAnswer(
        id, 0, message.gallery_version, replaced=message.replaced, gallery=message.gallery
    )


def picture(message: gallery_pb.GetPictureResponse) -> Picture:
    """An encoded picture."""
    return Picture(message.data, message.media_type, message.from_thumbnail)


def facets(message: gallery_pb.GetFacetsResponse) -> Facets:
    """The values that some images have."""
    first, last = (
        getattr(message, name).ToDatetime(UTC) if message.HasField(name) else None
        for name in ("captured_first", "captured_last")
    )
    return Facets(
        message.images,
        _facet(message.cameras),
        _facet(message.tracks),
        [_facet(one) for one in message.attributes],
        first,
        last,
        message.gallery_version,
    )


def _facet(message: gallery_pb.Facet) -> Facet:
    values = {one.value: one.images for one in message.values}
    return Facet(message.name, values, message.distinct, message.unknown)


def listed(
    message: gallery_pb.ListImagesResponse, *, thumbnails: bool
) -> list[tuple[image_pb.GalleryImage, bytes]]:
    """The images of a page of a listing, with their thumbnails.

    Args:
        thumbnails: whether they were requested.

    Raises:
        ServerError: there is not one for each image.
    """
    if not thumbnails:
        return [(one, b"") for one in message.images]
    if len(message.thumbnails) != len(message.images):
        raise ServerError(
            "the server is too old for thumbnails in a listing, and ignored them",
            grpc.StatusCode.UNIMPLEMENTED,
        )
    return list(zip(message.images, message.thumbnails, strict=True))


def image(message: image_pb.GalleryImage, thumbnail: bytes = b"") -> GalleryImage:
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
        thumbnail,
        message.revision,
    )


def query(message: image_pb.DescribedQuery) -> Query:
    """A query image as the server keeps it.

    Raises:
        ServerError: its maps would have an impossible grid.
    """
    try:
        looks = _registration(message)
    except ValueError as error:
        raise _unreadable("a query image", error) from error
    return Query(
        message.query_id,
        message.width,
        message.height,
        (message.rows, message.cols),
        box(message.extent),
        looks,
    )


def activation_map(message: image_pb.ActivationMap) -> ActivationMap:
    """A map; values float32 [rows, cols].

    Raises:
        ServerError: the message is not a map.
    """
    try:
        values = np.array(message.values, np.float32).reshape(message.rows, message.cols)
        return ActivationMap(values, box(message.extent), _registration(message))
    except ValueError as error:
        raise _unreadable("a map", error) from error


def _registration(message: image_pb.ActivationMap | image_pb.DescribedQuery) -> Registration:
    return Registration(
        _axis(message.rows, tuple(message.row_centres)),
        _axis(message.cols, tuple(message.col_centres)),
    )


@lru_cache(_AXES)
def _axis(cells: int, centres: tuple[float, ...]) -> Axis:
    if not 0 < cells <= _MOST_CELLS:
        raise ValueError(f"a grid with a side of {cells} cells; expected 1 to {_MOST_CELLS}")
    if centres and len(centres) != cells:
        raise ValueError(f"{len(centres)} centres for {cells} cells")
    return Axis(centres) if centres else Axis.nominal(cells)


def _side(given: int) -> Side:
    return "query" if given == search_pb.PAIR_SIDE_QUERY else "retrieved"


def _unreadable(what: str, error: ValueError) -> ServerError:
    return ServerError(
        f"the server sent {what} that cannot be read: {error}", grpc.StatusCode.INTERNAL
    )


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
