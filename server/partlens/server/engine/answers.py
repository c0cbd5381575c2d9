"""What the engine found out: plain values, no messages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.pair import PairExplanation
from partlens.indexer.gallery import Candidate
from partlens.server.engine.questions import Side
from partlens.server.features.query import Query

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Match:
    """An image that a search found.

    Attributes:
        candidate: with its score, and the map and constant that sum to it.
        overall_maps: c.E_q / Z for each query image, [rows, cols] each; empty if not asked for.
        region_maps: c.f / Z for each region, [rows, cols] each; empty if not asked for.
    """

    candidate: Candidate
    overall_maps: tuple[Map, ...] = ()
    region_maps: tuple[Map, ...] = ()


@dataclass(frozen=True, eq=False)
class SearchAnswer:
    """One page of matches, best first.

    Attributes:
        asked: digest of the question.
    """

    matches: tuple[Match, ...]
    next_page_token: str
    queries: Sequence[Query]
    gallery_version: int
    asked: str


@dataclass(frozen=True, eq=False)
class PartialMap:
    """What one region explains of a similarity: map.sum() + constant.

    Attributes:
        side: the image that the map lies on.
    """

    side: Side
    map: Map
    constant: float


@dataclass(frozen=True, eq=False)
class PairAnswer:
    """Why two images are similar.

    Attributes:
        asked: digest of the two.
    """

    query: Query
    retrieved: Query
    explanation: PairExplanation
    partial_maps: tuple[PartialMap, ...]
    asked: str


@dataclass(frozen=True, eq=False)
class DescribeAnswer:
    """How the model sees an image.

    Attributes:
        coverage: for each region the share of every cell that it covers, [rows, cols] each.
    """

    query: Query
    coverage: tuple[Map, ...]
    model_digest: str


@dataclass(frozen=True)
class Committed:
    """An uploaded image that is on disk.

    Attributes:
        gallery_version: the first with it.
        width, height: of the upright image, in pixels.
        replaced: whether an image of its id was there before.
    """

    gallery_version: int
    width: int
    height: int
    replaced: bool


@dataclass(frozen=True)
class Refused:
    """An uploaded image that was not taken, and why."""

    reason: str
    message: str


Receipt = Committed | Refused
