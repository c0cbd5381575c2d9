"""Inputs of a server's methods: images, regions and conditions, as plain values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from partlens.client.pictures import PictureLike
from partlens.common.explained_pair import Side
from partlens.common.metadata import Metadata
from partlens.common.regions import Region

Score = Literal["default", "context", "whole", "part"]
"""Score that ranks hits. "default" is the best measured so far, currently "context": PART plus how
similar the whole image is to the region with its surroundings."""
MapKind = Literal["none", "score", "overall", "regions"]
ReportFormat = Literal["html", "pdf"]
ImagePart = Literal["camera", "track", "captured_at", "attributes", "uri"]
"""What an update can change of an image."""


@dataclass(frozen=True)
class GalleryImageId:
    """An image of the gallery, by its id."""

    id: str


@dataclass(frozen=True)
class QueryId:
    """An image of an earlier call, by the query id in its response; needs no pass of the model."""

    id: str


QueryImage: TypeAlias = PictureLike | GalleryImageId | QueryId
"""A picture, an image of the gallery, or one of an earlier call."""
QueryImages: TypeAlias = QueryImage | Sequence[QueryImage]
"""Several query images, or one."""


@dataclass(frozen=True)
class QueryRegion:
    """A region to search with.

    Attributes:
        region: the shape.
        image: number of its query image, from 0.
        weight: weight relative to the other regions, above 0.
        exclude: rank images that contain this part lower.
    """

    region: Region
    image: int = 0
    weight: float = 1.0
    exclude: bool = False


QueryRegions: TypeAlias = Region | QueryRegion | Sequence[Region | QueryRegion]
"""Several regions to search with, or one; a bare shape lies on the first query image."""
Regions: TypeAlias = Region | Sequence[Region]
"""Several regions of an image, or one."""


@dataclass(frozen=True)
class Mark:
    """Feedback: hits should be more, or less, like this image.

    Attributes:
        image: the marked image, usually a hit: GalleryImageId(hit.id).
        region: place on it; None for where the region of the search fits best.
        about: number of the region of the search that it is about, from 0; None for all that are
            not excluded.
        weight: strength, 0 (no effect) or above; None for the one that measured best.
        unlike: less like this.
    """

    image: QueryImage
    region: Region | None = None
    about: int | None = None
    weight: float | None = None
    unlike: bool = False


@dataclass(frozen=True)
class PairSelection:
    """Which pairs of positions to explain: some positions of one image, each with all of the other.

    Attributes:
        side: the image whose positions are given.
        positions: their numbers, row-major over the grid, from 0, each once; empty for all. See
            Limits.pairs for the most pairs.
    """

    side: Side = "query"
    positions: Sequence[int] = ()


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture for the gallery.

    Attributes:
        id: id in the gallery; an image with the same id is replaced.
        data: the picture: encoded bytes, a path, a PIL image or an array.
        uri: location of the original.
        metadata: metadata of the image.
    """

    id: str
    data: PictureLike
    uri: str = ""
    metadata: Metadata = field(default_factory=Metadata)


@dataclass(frozen=True, eq=False)
class ImageUpdate:
    """New metadata of a gallery image; whatever is not given stays.

    Attributes:
        id: id of the image.
        camera, track, captured_at, uri: new values.
        attributes: attributes to add or change; others stay.
        remove_attributes: names of attributes to remove.
        clear: parts to clear first, so that only what is given here remains.
        expected_revision: update the image only if this is still its revision
            (GalleryImage.revision); None to update it in any case.
    """

    id: str
    camera: str | None = None
    track: str | None = None
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    remove_attributes: Collection[str] = ()
    uri: str | None = None
    clear: Collection[ImagePart] = ()
    expected_revision: int | None = None
