"""Answers as messages, for the record of a report: the inverse of partlens.client.decoding."""

from partlens.client import encoding
from partlens.client.search_answers import Hit, PairAnswer, Query, SearchAnswer
from partlens.common.activation_map import ActivationMap
from partlens.common.regions import Box
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb


def search(answer: SearchAnswer) -> pb.SearchRegionsResponse:
    """The hits with their maps, without thumbnails."""
    return pb.SearchRegionsResponse(
        hits=[_hit(one) for one in answer.hits],
        next_page_token="",
        queries=[_query(one) for one in answer.queries],
        gallery_version=answer.gallery_version,
        marks=[_query(one) for one in answer.marks],
    )


def pair(answer: PairAnswer) -> pb.ExplainPairResponse:
    """The similarity with its terms and maps."""
    terms = answer.terms
    return pb.ExplainPairResponse(
        similarity=answer.similarity,
        terms=pb.SimilarityTerms(
            position_position=terms.position_position,
            position_bias=terms.position_bias,
            bias_position=terms.bias_position,
            bias_bias=terms.bias_bias,
        ),
        query_map=_map(answer.query_map),
        query_map_with_bias=_map(answer.query_map_with_bias),
        retrieved_map=_map(answer.retrieved_map),
        retrieved_map_with_bias=_map(answer.retrieved_map_with_bias),
        partial_maps=[
            pb.PartialMap(side=encoding.SIDES[one.side], map=_map(one.map), constant=one.constant)
            for one in answer.partial_maps
        ],
        query=_query(answer.query),
        retrieved=_query(answer.retrieved),
    )


def _hit(hit: Hit) -> pb.Hit:
    image = hit.image
    return pb.Hit(
        id=hit.id,
        score=hit.score,
        map=None if hit.map is None else _map(hit.map),
        constant=hit.constant,
        box=_box(hit.box),
        image=image_pb.GalleryImage(
            id=image.id,
            uri=image.uri,
            media_digest=image.media_digest,
            width=image.width,
            height=image.height,
            metadata=encoding.metadata(image.metadata),
        ),
        group=hit.group,
        others_in_group=hit.others_in_group,
    )


def _query(query: Query) -> image_pb.DescribedQuery:
    rows, cols = query.grid
    return image_pb.DescribedQuery(
        query_id=query.id,
        width=query.width,
        height=query.height,
        rows=rows,
        cols=cols,
        extent=_box(query.extent),
        row_centres=query.registration.rows.centres,
        col_centres=query.registration.cols.centres,
    )


def _map(map: ActivationMap) -> image_pb.ActivationMap:
    rows, cols = map.values.shape
    return image_pb.ActivationMap(
        rows=rows,
        cols=cols,
        values=map.values.ravel().tolist(),
        extent=_box(map.extent),
        row_centres=map.registration.rows.centres,
        col_centres=map.registration.cols.centres,
    )


def _box(box: Box) -> region_pb.Box:
    return region_pb.Box(x=box.x, y=box.y, width=box.width, height=box.height)
