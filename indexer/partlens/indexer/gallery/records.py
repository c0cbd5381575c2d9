"""Records that a gallery stores and returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.common.ids import IdError, require_id
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.indexer.errors import InvalidImageError, InvalidMetadataError

FloatArray = NDArray[np.float32]
_MAX_FLOAT16 = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class NewImage:
    """An image to add to a gallery.

    Attributes:
        id: unique in the gallery; replaces an image with the same id. 1 to 512 characters on one
            line; see common.ids.
        uri: address of the original.
        media_digest: digest of the encoded original.
        width, height: size of the upright original, in pixels.
        thumbnail: JPEG.
        metadata: other metadata; see require_metadata.
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
        """Raise InvalidImageError if a gallery of this grid and size cannot store the image."""
        _require_id(self.id)
        _require_metadata(self.id, self.metadata, self.uri)
        if self.contributions.shape != (positions, dimensions) or self.bias.shape != (dimensions,):
            raise InvalidImageError(
                f"image {self.id!r} has contributions {self.contributions.shape} and bias"
                f" {self.bias.shape}; this gallery holds ({positions}, {dimensions}) and"
                f" ({dimensions},)"
            )
        # Written so that NaN, which compares false with everything, is rejected too.
        if not (np.abs(self.contributions).max() <= _MAX_FLOAT16 and np.isfinite(self.bias).all()):
            raise InvalidImageError(
                f"image {self.id!r} has contributions that float16 cannot hold (NaN, infinity or"
                f" above {_MAX_FLOAT16:g}); scale the model's embedding down"
            )


@dataclass(frozen=True, eq=False)
class Correction:
    """New uri and metadata of an image, without changing its picture.

    Attributes:
        id, media_digest: id and digest of the image.
        uri, metadata: see NewImage; they replace the stored values entirely.
    """

    id: str
    media_digest: str
    uri: str
    metadata: Metadata

    def require_storable(self) -> None:
        """Raise InvalidImageError if a gallery cannot store it."""
        _require_metadata(self.id, self.metadata, self.uri)


def require_storable(images: Sequence[NewImage], positions: int, dimensions: int) -> None:
    """Raise InvalidImageError unless a gallery can store all images in one commit."""
    for image in images:
        try:
            image.require_storable(positions, dimensions)
        except InvalidImageError as error:
            error.id = image.id
            raise
    _require_each_once([image.id for image in images])


def require_correct(corrections: Sequence[Correction]) -> None:
    """Raise InvalidImageError unless a gallery can store all corrections in one commit."""
    for one in corrections:
        one.require_storable()
    _require_each_once([one.id for one in corrections])


@dataclass(frozen=True, eq=False)
class StoredImage:
    """An image in a gallery; see NewImage and GalleryView.thumbnails.

    Attributes:
        revision: grows whenever the image is added, replaced or corrected.
    """

    id: str
    uri: str
    media_digest: str
    width: int
    height: int
    metadata: Metadata
    revision: int = 0


class Place(NamedTuple):
    """Where an image lies: the number of a segment, and a row of it."""

    segment: int
    row: int


@dataclass(frozen=True, eq=False)
class Candidate:
    """A search result.

    Attributes:
        id: id of the image.
        score: score that ranks it; equals map.sum() + constant.
        map: signed share of each position, shape [rows, cols].
        constant: share of the bias.
        window: fractional cells (row0, col0, row1, col1) where the leading part matched.
        stored: the stored image.
        thumbnail: JPEG; empty unless requested with GalleryView.with_thumbnails.
        unreadable: whether the thumbnail was requested but is damaged.
        revision: revision of the image; replacing or correcting the image changes it.
        group: group of which it is the best image, in a search by group; "" if it has none.
        others: number of other images in that group that pass the filter.
        place: where the image lies in the view that was searched, if known. Other views may have
            it elsewhere.
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
    place: Place | None = None


def _require_each_once(ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise InvalidImageError("an id appears twice among the given images; give each id once")


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
