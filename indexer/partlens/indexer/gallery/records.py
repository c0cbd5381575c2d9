"""What goes into a gallery and what comes out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.indexer.errors import InvalidImageError, InvalidMetadataError

FloatArray = NDArray[np.float32]
_MAX_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class NewImage:
    """An image on its way into a gallery.

    Attributes:
        id: unique in the gallery; an image of the same id is replaced. 1 to 512 characters on one
            line; see common.ids.
        uri: where the original lies.
        media_digest: of the encoded original.
        width, height: of the upright original, in pixels.
        thumbnail: JPEG.
        metadata: what else is known, as require_metadata allows it.
        contributions: c_p, shape [P, D]; stored as float16.
        bias: b, shape [D].
    """

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    thumbnail: bytes
    metadata: Metadata
    contributions: FloatArray
    bias: FloatArray

    def require_storable(self, positions: int, dimensions: int) -> None:
        """Raise InvalidImageError where a gallery of this grid and size cannot hold the image."""
        _require_id(self.id)
        _require_metadata(self.id, self.metadata, self.uri)
        if self.contributions.shape != (positions, dimensions) or self.bias.shape != (dimensions,):
            raise InvalidImageError(
                f"image {self.id!r} has contributions {self.contributions.shape} and bias"
                f" {self.bias.shape}; this gallery holds ({positions}, {dimensions}) and"
                f" ({dimensions},)"
            )
        # Written so that NaN, which compares false with everything, is refused too.
        if not (np.abs(self.contributions).max() <= _MAX_FLOAT16 and np.isfinite(self.bias).all()):
            raise InvalidImageError(
                f"image {self.id!r} has contributions that float16 cannot hold (NaN, infinity or"
                f" above {_MAX_FLOAT16:g}); scale the model's embedding down"
            )


@dataclass(frozen=True, eq=False)
class Correction:
    """What a gallery is to say from now on of an image whose picture stays.

    Attributes:
        id, media_digest: of the image.
        uri, metadata: as NewImage; they replace all that the gallery says.
    """

    id: str
    media_digest: str
    uri: str
    metadata: Metadata

    def require_storable(self) -> None:
        """Raise InvalidImageError where a gallery cannot hold it."""
        _require_metadata(self.id, self.metadata, self.uri)


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image that a gallery holds; attributes as NewImage. GalleryView.thumbnails gives those."""

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    metadata: Metadata


@dataclass(frozen=True, eq=False)
class Candidate:
    """An image that a search found.

    Attributes:
        id: of the image.
        score: what it is ranked by; equals map.sum() + constant.
        map: signed share of each position, shape [rows, cols].
        constant: what the bias adds.
        window: cells (row0, col0, row1, col1), fractions included, where the leading part
            matched.
        stored: what the gallery knows of it.
        thumbnail: JPEG; empty unless asked for with GalleryView.with_thumbnails.
        unreadable: whether the thumbnail was asked for and is damaged.
        revision: of the image; a replaced or corrected image has another.
        group: what it is the best image of, where a search was by group; "" where it is alone.
        others: how many more images of that group pass the filter.
    """

    id: str
    score: float
    map: FloatArray
    constant: float
    window: tuple[float, float, float, float]
    stored: StoredImage
    thumbnail: bytes = b""
    unreadable: bool = False
    revision: int = 0
    group: str = ""
    others: int = 0


def _require_id(id: str) -> None:
    try:
        require_id(id)
    except IdError as error:
        raise InvalidImageError(str(error)) from error


def _require_metadata(id: str, metadata: Metadata, uri: str) -> None:
    try:
        require_metadata(metadata, uri)
    except MetadataError as error:
        raise InvalidMetadataError(error.field, f"{error.problem} (image {id!r})") from error
