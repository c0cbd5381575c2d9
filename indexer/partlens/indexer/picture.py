"""The one way from a picture's bytes to a row of a gallery, whatever brought it."""

import io
from collections.abc import Callable
from dataclasses import dataclass

from partlens.common.metadata import Metadata
from partlens.common.pictures import THUMBNAIL_SIDE, ImageLimits, UprightPicture
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.images import decode_at_least
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import NewImage
from partlens.indexer.gallery.records import FloatArray

_LONGEST_JPEG = 65_500
"""Pixels of a side; beyond it, libjpeg refuses to write."""


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """A picture before its pass through the model.

    Attributes:
        digest: of the encoded picture.
        pixels: the model's input, float32 [3, height, width].
        width, height: of the upright picture, in pixels.
        thumbnail: JPEG.
    """

    digest: str
    pixels: FloatArray
    width: int
    height: int
    thumbnail: bytes

    def image(
        self, id: str, uri: str, metadata: Metadata, contributions: FloatArray, bias: FloatArray
    ) -> NewImage:
        """The picture with what the model gave for it, [P, D] and [D], to add to a gallery."""
        return NewImage(
            id=id,
            uri=uri,
            media_digest=self.digest,
            width=self.width,
            height=self.height,
            thumbnail=self.thumbnail,
            metadata=metadata,
            contributions=contributions,
            bias=bias,
        )


def decoded(
    data: bytes,
    digest: str,
    preprocessing: Preprocessing,
    limits: ImageLimits,
    require_waiting: RequireWaiting = wait_always,
    reserve: Callable[[int], object] = lambda _: None,
) -> DecodedPicture:
    """An encoded picture, ready for the model.

    Args:
        digest: media_digest of the data.
        limits: what may be decoded.
        require_waiting, reserve: see partlens.common.pictures.decode_at_least.

    Raises:
        ImageError: it cannot be decoded, or not within the limits.
    """
    picture = decode_at_least(data, preprocessing.least, limits, require_waiting, reserve)
    require_waiting()
    width, height = picture.size
    return DecodedPicture(digest, preprocessing.pixels(picture), width, height, thumbnail(picture))


def thumbnail(picture: UprightPicture) -> bytes:
    """A JPEG of a picture; its longest side has at most THUMBNAIL_SIDE pixels."""
    return reduced(picture, THUMBNAIL_SIDE, quality=85)


def reduced(picture: UprightPicture, max_side: int, quality: int) -> bytes:
    """A JPEG of a picture, without EXIF.

    Args:
        max_side: most pixels of its longest side, at least 1; it is never enlarged.
    """
    out = io.BytesIO()
    small = picture.thumbnail(min(max_side, _LONGEST_JPEG))
    small.save(out, "JPEG", quality=quality)
    return out.getvalue()
