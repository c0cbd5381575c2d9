"""Encodes responses."""

from collections.abc import Set
from dataclasses import asdict, replace
from functools import lru_cache
from importlib.metadata import version as version_of

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp
from numpy.typing import NDArray

from partlens.common.metadata import Metadata
from partlens.common.regions import Box
from partlens.common.text import visible
from partlens.explainer.regions import window_box
from partlens.explainer.spec import ModelSpec
from partlens.indexer.gallery import StoredImage
from partlens.runtime.config.sections import LimitsSection
from partlens.server.caller.caller import Caller
from partlens.server.caller.scopes import SCOPES
from partlens.server.messages.encoding_pairs import SIDES, pair_matrix
from partlens.server.observe.indexing import IndexingProgress
from partlens.server.query_images.query import Query
from partlens.server.requests.answers import (
    Committed,
    DescribeAnswer,
    Match,
    PairAnswer,
    PartialMap,
    Receipt,
    SearchAnswer,
)
from partlens.server.requests.questions import MapKind, SearchQuestion
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb

_PLACES = 4096
"""Places of windows on images that are remembered, about 1 MB."""


class Encoder:
    """Encodes answers about one model's maps.

    Args:
        spec: the model; its grid and preprocessing give a map's place on an image.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        # Most images of a gallery have one of few sizes, and hits often have the same window.
        self._window = lru_cache(_PLACES)(self._window_on)

    def search(
        self, question: SearchQuestion, answer: SearchAnswer
    ) -> search_pb.SearchRegionsResponse:
        """A page of hits, with the requested maps and thumbnails."""
        return search_pb.SearchRegionsResponse(
            hits=[
                self.hit(match, question.maps, thumbnails=question.thumbnails)
                for match in answer.matches
            ],
            next_page_token=answer.next_page_token,
            queries=[self.described(query) for query in answer.queries],
            gallery_version=answer.gallery_version,
            marks=[self.described(query) for query in answer.marked],
            shards_ok=answer.shards_ok,
            shards_total=answer.shards_total,
        )

    def pair(self, answer: PairAnswer) -> search_pb.ExplainPairResponse:
        """The similarity of two images, its terms and its maps."""
        why, query, retrieved = answer.explanation, answer.query, answer.retrieved
        terms = why.four_terms
        return search_pb.ExplainPairResponse(
            similarity=why.similarity,
            terms=search_pb.SimilarityTerms(
                position_position=terms.positions,
                position_bias=terms.query_positions_retrieved_bias,
                bias_position=terms.query_bias_retrieved_positions,
                bias_bias=terms.biases,
            ),
            query_map=self.map(why.query_map(with_bias=False).numpy(), query.image_size),
            query_map_with_bias=self.map(why.query_map(with_bias=True).numpy(), query.image_size),
            retrieved_map=self.map(
                why.retrieved_map(with_bias=False).numpy(), retrieved.image_size
            ),
            retrieved_map_with_bias=self.map(
                why.retrieved_map(with_bias=True).numpy(), retrieved.image_size
            ),
            partial_maps=[self._partial(answer, partial) for partial in answer.partial_maps],
            query=self.described(query),
            retrieved=self.described(retrieved),
            pairs=pair_matrix(answer.pairs) if answer.pairs else None,
        )

    def describe(self, answer: DescribeAnswer) -> search_pb.DescribeQueryResponse:
        """A query image, and what its regions cover."""
        size = answer.query.image_size
        return search_pb.DescribeQueryResponse(
            query=self.described(answer.query),
            coverage=[self.map(coverage, size) for coverage in answer.coverage],
            model_digest=answer.model_digest,
        )

    def described(self, query: Query) -> image_pb.DescribedQuery:
        """What the server keeps of a query image."""
        width, height = query.image_size
        (rows, cols), looks = self._spec.grid, self._spec.registered
        return image_pb.DescribedQuery(
            query_id=query.id,
            width=width,
            height=height,
            rows=rows,
            cols=cols,
            extent=self._extent(query.image_size),
            row_centres=looks.rows.centres if looks else (),
            col_centres=looks.cols.centres if looks else (),
        )

    def map(
        self, values: NDArray[np.float32], image_size: tuple[int, int]
    ) -> image_pb.ActivationMap:
        """A map [rows, cols] that lies on an image of this (width, height)."""
        rows, cols = values.shape
        looks = self._spec.registered
        return image_pb.ActivationMap(
            rows=rows,
            cols=cols,
            values=values.ravel().tolist(),
            extent=self._extent(image_size),
            row_centres=looks.rows.centres if looks else (),
            col_centres=looks.cols.centres if looks else (),
        )

    def hit(self, match: Match, maps: Set[MapKind], *, thumbnails: bool) -> search_pb.Hit:
        """A hit, with the requested maps."""
        found, stored = match.candidate, match.candidate.stored
        size = stored.width, stored.height
        return search_pb.Hit(
            id=found.id,
            score=found.score,
            map=self.map(found.map, size) if "score" in maps else None,
            constant=found.constant,
            box=self._window(found.window, size),
            image=image(stored),
            thumbnail=found.thumbnail if thumbnails else b"",
            overall_maps=[self.map(overall, size) for overall in match.overall_maps],
            region_maps=[self.map(partial, size) for partial in match.region_maps],
            group=found.group,
            others_in_group=found.others,
        )

    def _partial(self, answer: PairAnswer, partial: PartialMap) -> search_pb.PartialMap:
        lies_on = answer.query if partial.side == "query" else answer.retrieved
        return search_pb.PartialMap(
            side=SIDES[partial.side],
            map=self.map(partial.map, lies_on.image_size),
            constant=partial.constant,
        )

    def _extent(self, image_size: tuple[int, int]) -> region_pb.Box:
        return self._window((0, 0, *self._spec.grid), image_size)

    def _window_on(
        self, cells: tuple[float, float, float, float], image_size: tuple[int, int]
    ) -> region_pb.Box:
        row0, col0, row1, col1 = cells
        spec = self._spec
        return box(
            window_box(row0, col0, row1, col1, image_size, spec.preprocessing, spec.registration)
        )


def box(rectangle: Box) -> region_pb.Box:
    """A rectangle in pixels."""
    return region_pb.Box(
        x=rectangle.x, y=rectangle.y, width=rectangle.width, height=rectangle.height
    )


def image(stored: StoredImage) -> image_pb.GalleryImage:
    """An image of the gallery, without its thumbnail."""
    return image_pb.GalleryImage(
        id=stored.id,
        uri=stored.uri,
        media_digest=stored.media_digest,
        width=stored.width,
        height=stored.height,
        metadata=_metadata(stored.metadata),
        revision=stored.revision,
    )


def receipt(id: str, index: int, result: Receipt, gallery: str) -> gallery_pb.UpsertImagesResponse:
    """Result of the image at a position of an upload."""
    answer = gallery_pb.UpsertImagesResponse(id=id, index=index)
    if isinstance(result, Committed):
        answer.committed.CopyFrom(committed(result, gallery))
    else:
        answer.refused.reason, answer.refused.message = result.reason, result.message
    return answer


def committed(result: Committed, gallery: str) -> gallery_pb.UpsertCommitted:
    """An uploaded image that is on disk in a gallery."""
    return gallery_pb.UpsertCommitted(**asdict(result), gallery=gallery)


def gallery(
    version: int,
    images: int,
    spec: ModelSpec,
    limits: LimitsSection,
    caller: Caller,
    indexing: IndexingProgress | None,
) -> gallery_pb.GetGalleryResponse:
    """The gallery's size, its model, the server's limits, and who is calling."""
    return gallery_pb.GetGalleryResponse(
        version=version,
        images=images,
        model=model(spec),
        limits=gallery_pb.Limits(
            request_bytes=limits.request_bytes,
            image_pixels=limits.image_pixels,
            query_images=limits.query_images,
            regions=limits.regions,
            search_page_size=limits.search_page_size,
            list_page_size=limits.list_page_size,
            marks=limits.marks,
            pairs=limits.pairs,
        ),
        caller=gallery_pb.Caller(
            name=visible(caller.name),
            scopes=[scope for scope in SCOPES if scope in caller.scopes],
            cameras=sorted(map(visible, caller.within.cameras or ())),
            galleries=sorted(caller.within.galleries or ()),
        ),
        server_version=version_of("partlens"),
        indexing=None if indexing is None else _indexing(indexing),
    )


def model(spec: ModelSpec) -> gallery_pb.Model:
    """The model of a gallery."""
    return gallery_pb.Model(
        name=spec.name,
        digest=spec.digest,
        input_width=spec.preprocessing.width,
        input_height=spec.preprocessing.height,
        rows=spec.grid[0],
        cols=spec.grid[1],
        dimensions=spec.dimensions,
        licence=spec.licence,
        bias_share=spec.bias_share,
    )


def _indexing(progress: IndexingProgress) -> gallery_pb.Indexing:
    return gallery_pb.Indexing(**asdict(replace(progress, problem=visible(progress.problem))))


def _metadata(metadata: Metadata) -> image_pb.ImageMetadata:
    message = image_pb.ImageMetadata(
        camera=metadata.camera, track=metadata.track, attributes=metadata.attributes
    )
    if metadata.captured_at is not None:
        stamp = Timestamp()
        stamp.FromDatetime(metadata.captured_at)
        message.captured_at.CopyFrom(stamp)
    return message
