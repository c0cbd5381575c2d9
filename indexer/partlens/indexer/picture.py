"""The one way from a picture's bytes to a row of a gallery, whatever brought it."""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.metadata import Metadata
from partlens.common.pictures import ImageLimits
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.images import decode
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import NewImage
from partlens.indexer.gallery.records import FloatArray

THUMBNAIL_SIDE = 160
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
) -> DecodedPicture:
    """An encoded picture, ready for the model.

    Args:
        digest: media_digest of the data.
        limits: what may be decoded.
        require_waiting: ends the decoding with what it raises; see partlens.common.pictures.decode.

    Raises:
        ImageError: it cannot be decoded, or not within the limits.
    """
    image = decode(data, limits, require_waiting)
    require_waiting()
    height, width = image.shape[:2]
    return DecodedPicture(digest, preprocessing.pixels(image), width, height, thumbnail(image))


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """A JPEG of an image [height, width, 3]; its longest side has at most THUMBNAIL_SIDE pixels."""
    return reduced(image, THUMBNAIL_SIDE, quality=85)


def reduced(image: NDArray[np.uint8], max_side: int, quality: int) -> bytes:
    """A JPEG of an image [height, width, 3], without EXIF.

    Args:
        max_side: most pixels of its longest side, at least 1; it is never enlarged.
    """
    small, out = Image.fromarray(image), io.BytesIO()
    side = min(max_side, _LONGEST_JPEG)
    # Next to bicubic this filter takes two thirds of the time, and Pillow rates them alike.
    small.thumbnail((side, side), Image.Resampling.HAMMING)
    small.save(out, "JPEG", quality=quality)
    return out.getvalue()
