"""A picture whose header has been read, and whose pixels are still encoded."""

from dataclasses import dataclass

from PIL import ImageFile

from partlens.common.pictures import heic

BYTES_A_PIXEL = 12
"""The image and what is made of it, or the image twice where 16 bits are compared."""
_AT_ONCE = 20
"""Libraries that decode at once also keep canvases, or planes of 16 bits."""
_LIBRARIES = ("WEBP", "AVIF", heic.FORMAT)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture whose pixels are still encoded.

    Attributes:
        image: loads them; its size is the one that they are decoded at.
        size: (width, height) in the file.
        part: it is decoded at 1/part of that size.
        coefficients: bytes of a JPEG's coefficients that are in memory all at once, whatever the
            part: as it is progressive, or codes its colours one after the other.
    """

    image: ImageFile.ImageFile
    size: tuple[int, int]
    part: int = 1
    coefficients: int = 0

    @property
    def memory(self) -> int:
        """Bytes that decoding takes at most, at least 1."""
        width, height = self.image.size
        kind = _AT_ONCE if self.image.format in _LIBRARIES else BYTES_A_PIXEL
        return width * height * kind + self.coefficients
