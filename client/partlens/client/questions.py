"""Inputs of a server's methods: images, regions and conditions, as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Score = Literal["default", "context", "whole", "part"]
"""Score that ranks hits. "default" is the best measured so far, currently "context": PART plus how
similar the whole image is to the region with its surroundings."""
MapKind = Literal["none", "score", "overall", "regions"]


@dataclass(frozen=True)
class Box:
    """The rectangle from (x, y) to (x + width, y + height), in pixels of the upright image."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Point:
    """One place, in pixels of the upright image; stands for the one cell it lies in."""

    x: float
    y: float


@dataclass(frozen=True)
class Polygon:
    """A closed outline of at least three (x, y) corners, in pixels of the upright image."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Mask:
    """The covered pixels of the upright image, bool [height, width]."""

    array: NDArray[np.bool_]


Region = Box | Point | Polygon | Mask


@dataclass(frozen=True)
class GalleryImageId:
    """An image of the gallery, by its id."""

    id: str


@dataclass(frozen=True)
class QueryId:
    """An image of an earlier call, by the query id in its response; needs no pass of the model."""

    id: str


QueryImage = bytes | GalleryImageId | QueryId
"""An encoded picture, an image of the gallery, or one of an earlier call."""


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


@dataclass(frozen=True)
class Filter:
    """Conditions that an image must all meet; see Filter in the .proto files."""

    cameras: Sequence[str] = ()
    tracks: Sequence[str] = ()
    captured_after: datetime | None = None
    captured_before: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    exclude_ids: Sequence[str] = ()
    exclude_cameras: Sequence[str] = ()


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image; an empty text means unknown."""

    camera: str = ""
    track: str = ""
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture for the gallery.

    Attributes:
        id: id in the gallery; an image with the same id is replaced.
        data: encoded picture.
        uri: location of the original.
        metadata: metadata of the image.
    """

    id: str
    data: bytes
    uri: str = ""
    metadata: Metadata = Metadata()
