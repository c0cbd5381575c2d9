"""How large a picture may be."""

from dataclasses import dataclass

from partlens.common.pictures.errors import PictureError


@dataclass(frozen=True)
class ImageLimits:
    """What decode accepts.

    Attributes:
        max_bytes: size of the encoded image, in bytes.
        max_pixels: width * height after decoding; refused before any memory is taken for it.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000

    def require_bytes(self, data: bytes) -> None:
        """Raise PictureError if the encoded image is empty or too large."""
        if not data:
            raise PictureError("the image is empty (0 bytes); give an encoded image file")
        if len(data) > self.max_bytes:
            raise PictureError(
                f"the image has {len(data)} bytes; at most {self.max_bytes} are allowed: "
                "save it smaller"
            )

    def require_size(self, width: int, height: int) -> None:
        """Raise PictureError if the decoded image would be too large."""
        if width * height > self.max_pixels:
            raise PictureError(
                f"the image is {width}x{height}, {width * height} pixels; at most "
                f"{self.max_pixels} are allowed: save it smaller"
            )


DEFAULT_LIMITS = ImageLimits()
