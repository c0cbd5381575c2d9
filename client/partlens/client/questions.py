"""What is asked of a server: images and regions to search with, and uploads, as plain values."""

from dataclasses import dataclass, field
from typing import Literal

from partlens.common.metadata import Metadata
from partlens.common.regions import Region

Score = Literal["default", "context", "whole", "part"]
"""What hits are ranked by. "default" is what measured best so far, today "context": PART plus how
similar the whole image is to the region with its surroundings."""
MapKind = Literal["none", "score", "overall", "regions"]


@dataclass(frozen=True)
class GalleryImageId:
    """An image of the gallery, by its id."""

    id: str


@dataclass(frozen=True)
class QueryId:
    """An image of an earlier call, by the query id in its answer; costs no pass of the model."""

    id: str


QueryImage = bytes | GalleryImageId | QueryId
"""An encoded picture, an image of the gallery, or one of an earlier call."""


@dataclass(frozen=True)
class QueryRegion:
    """A region to search with.

    Attributes:
        region: where.
        image: number of the query image it lies on.
        weight: how much it counts beside the others, above 0.
        exclude: rank images that hold this part lower.
    """

    region: Region
    image: int = 0
    weight: float = 1.0
    exclude: bool = False


@dataclass(frozen=True, eq=False)
class Upload:
    """A picture for the gallery.

    Attributes:
        id: what the gallery will call it; an image of the same id is replaced.
        data: encoded picture.
        uri: where the original lies.
        metadata: what is known of it.
    """

    id: str
    data: bytes
    uri: str = ""
    metadata: Metadata = field(default_factory=Metadata)
