"""How large a picture may be."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from partlens.common.pictures.encoded import BYTES_A_PIXEL, Encoded
from partlens.common.pictures.errors import PictureError, TooLargeError

_STORED = 4
"""Pixels in a file for each that may be decoded: reading past one takes a quarter of the time."""


@dataclass(frozen=True)
class ImageLimits:
    """What decode accepts.

    Attributes:
        max_bytes: size of the encoded image, in bytes.
        max_pixels: width * height after decoding; refused before any memory is taken for it. A
            JPEG that is decoded at a part of its size may have 4 times as many in the file.
        max_side: width and height, each; the most that a JPEG can have.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000
    max_side: int = 65_535

    def require_bytes(self, data: bytes) -> None:
        """Raise PictureError if the encoded image is empty or too large."""
        if not data:
            raise PictureError("the image is empty (0 bytes); give an encoded image file")
        if len(data) > self.max_bytes:
            raise PictureError(
                f"the image has {len(data)} bytes; at most {self.max_bytes} are allowed: "
                "save it smaller"
            )

    @contextmanager
    def naming_limit(self) -> Iterator[None]:
        """Say what is allowed where a picture has more pixels than Pillow opens."""
        try:
            yield
        except TooLargeError as error:
            raise PictureError(
                f"the image would decode to more than {self.max_pixels} pixels: save it smaller"
            ) from error

    def require(self, picture: Encoded) -> None:
        """Raise PictureError if decoding would take too many pixels, too much memory or time."""
        self.require_size(*picture.image.size)
        (width, height), most = picture.size, _STORED * self.max_pixels
        if width * height > most:
            raise PictureError(
                f"the image is {width}x{height}, {width * height} pixels; at most {most} are"
                f" allowed in a JPEG that is decoded at 1/{picture.part} of its size: save it"
                " smaller"
            )
        if picture.coefficients > (most := BYTES_A_PIXEL * self.max_pixels):
            raise PictureError(
                f"the image is a JPEG of {width}x{height} pixels in several scans, whose"
                f" coefficients take {picture.coefficients} bytes of memory; at most {most} are"
                " allowed: save it as a baseline (not progressive) JPEG, or smaller"
            )

    def require_size(self, width: int, height: int) -> None:
        """Raise PictureError if the decoded image would be too large, or too long for its width."""
        if max(width, height) > self.max_side:
            raise PictureError(
                f"the image is {width}x{height}; a side may have at most {self.max_side} pixels:"
                " cut it into pieces"
            )
        if width * height > self.max_pixels:
            raise PictureError(
                f"the image is {width}x{height}, {width * height} pixels; at most "
                f"{self.max_pixels} are allowed: save it smaller"
            )


DEFAULT_LIMITS = ImageLimits()
