"""Answers to requests, as plain values without protobuf messages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.common.explained_pair import Side
from partlens.explainer.pair import PairExplanation, PositionPairs
from partlens.indexer.gallery import Candidate
from partlens.server.query_images.query import Query
from partlens.server.requests.questions import PairsToExplain

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Match:
    """An image that a search found.

    Attributes:
        candidate: the image with its score, and the map and constant that sum to it.
        overall_maps: c.E_q / Z for each query image, [rows, cols] each; empty if not requested.
        region_maps: c.f / Z for each region, [rows, cols] each; empty if not requested.
    """

    candidate: Candidate
    overall_maps: tuple[Map, ...] = ()
    region_maps: tuple[Map, ...] = ()


@dataclass(frozen=True, eq=False)
class SearchAnswer:
    """One page of matches, best first.

    Attributes:
        queries: the images that regions lie on.
        marked: the images of the marks.
        asked: digest of the request.
        shards_ok, shards_total: how many shards were searched, of how many; 1 of 1 without shards.
    """

    matches: tuple[Match, ...]
    next_page_token: str
    queries: Sequence[Query]
    marked: Sequence[Query]
    gallery_version: int
    asked: str
    shards_ok: int = 1
    shards_total: int = 1


@dataclass(frozen=True, eq=False)
class PartialMap:
    """What one region explains of a similarity: map.sum() + constant.

    Attributes:
        side: image that the map lies on.
    """

    side: Side
    map: Map
    constant: float


@dataclass(frozen=True, eq=False)
class ExplainedPairs:
    """What pairs of positions add to a similarity.

    Attributes:
        rows: the image and the positions that the rows belong to.
    """

    rows: PairsToExplain
    pairs: PositionPairs


@dataclass(frozen=True, eq=False)
class PairAnswer:
    """Why two images are similar.

    Attributes:
        asked: digest of the two images.
        pairs: None if they were not requested.
    """

    query: Query
    retrieved: Query
    explanation: PairExplanation
    partial_maps: tuple[PartialMap, ...]
    asked: str
    pairs: ExplainedPairs | None = None


@dataclass(frozen=True, eq=False)
class DescribeAnswer:
    """How the model sees an image.

    Attributes:
        coverage: for each region, the share of every cell that it covers, [rows, cols] each.
    """

    query: Query
    coverage: tuple[Map, ...]
    model_digest: str


@dataclass(frozen=True)
class Committed:
    """An uploaded image that is on disk.

    Attributes:
        gallery_version: first gallery version with the image.
        width, height: size of the upright image, in pixels.
        replaced: whether an image with its id existed before.
    """

    gallery_version: int
    width: int
    height: int
    replaced: bool


@dataclass(frozen=True)
class Refused:
    """An uploaded image that was refused, and why.

    Attributes:
        error: what a call with this image alone ends with.
    """

    reason: str
    message: str
    error: Exception


Receipt = Committed | Refused
