"""Decoded and checked requests, as plain values without protobuf messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from partlens.common.explained_pair import Side
from partlens.common.filters import Filter, GroupBy
from partlens.common.metadata import Metadata
from partlens.common.regions import Region
from partlens.explainer.scoring import Score
from partlens.server.query_images.sources import Source

MapKind = Literal["score", "overall", "regions"]


@dataclass(frozen=True)
class RegionToFind:
    """A region to search with.

    Attributes:
        image: position of its image in the question.
        weight: weight in the score; negative for an excluded region.
        field: its path in the request, for errors.
    """

    image: int
    region: Region
    weight: float
    field: str


@dataclass(frozen=True)
class ImageMark:
    """Feedback: hits should be more, or less, like this image.

    Attributes:
        image: the marked image.
        place: the place on it; None where the region of the search fits best.
        regions: positions in the question of the regions that it is about.
        weight: strength, negative for "less like this".
        field: its path in the request, for errors.
    """

    image: Source
    place: Region | None
    regions: tuple[int, ...]
    weight: float
    field: str


@dataclass(frozen=True)
class SearchQuestion:
    """A search: which images contain parts like these?

    Attributes:
        exclude_identical: leave out images with the same encoded picture as one of `images`.
        partial: whether shards that cannot answer may be missing.
    """

    images: tuple[Source, ...]
    regions: tuple[RegionToFind, ...]
    where: Filter
    score: Score
    page_size: int
    page_token: str
    maps: frozenset[MapKind]
    thumbnails: bool
    by: GroupBy | None = None
    marks: tuple[ImageMark, ...] = ()
    exclude_identical: bool = False
    partial: bool = False

    @property
    def sources(self) -> Sequence[Source]:
        """All images: those that regions lie on, then those of the marks."""
        return [*self.images, *(mark.image for mark in self.marks)]


@dataclass(frozen=True)
class RegionToExplain:
    """A region on one side of a pair, to explain its part of the similarity."""

    side: Side
    region: Region
    field: str


@dataclass(frozen=True)
class PairsToExplain:
    """Positions of one side of a pair, whose pairs with all positions of the other are wanted.

    Attributes:
        positions: their numbers, row-major over the grid, from 0; each once.
    """

    side: Side
    positions: tuple[int, ...]


@dataclass(frozen=True)
class PairQuestion:
    """Why are these two images similar?

    Attributes:
        pairs: None if no pairs of positions are wanted.
    """

    query: Source
    retrieved: Source
    regions: tuple[RegionToExplain, ...]
    pairs: PairsToExplain | None = None

    @property
    def sources(self) -> Sequence[Source]:
        """Both images."""
        return self.query, self.retrieved


@dataclass(frozen=True)
class DescribeQuestion:
    """How does the model see this image, and these regions of it?"""

    image: Source
    regions: tuple[tuple[Region, str], ...]

    @property
    def sources(self) -> Sequence[Source]:
        """The image, as the only one."""
        return (self.image,)


@dataclass(frozen=True)
class Upload:
    """An image to add to the gallery.

    Attributes:
        data: the encoded picture.
    """

    id: str
    data: bytes
    uri: str
    metadata: Metadata
