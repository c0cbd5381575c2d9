"""The upright pixels of a picture, which may be fewer than it has."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures.scale import within

_FROM_RIGHT, _FROM_BELOW = (2, 3, 6, 7), (3, 4, 7, 8)
"""EXIF orientations whose stored columns or rows begin at the upright picture's right or bottom."""
Edges = tuple[float, float, float, float]
"""Left, top, right and bottom."""


@dataclass(frozen=True, eq=False)
class UprightPicture:
    """Upright pixels of a picture, decoded in full or at 1/part of its width and height.

    Attributes:
        pixels: uint8 sRGB [rows, cols, 3].
        size: (width, height) of the picture itself; all coordinates are in its pixels.
        part: 1, 2, 4 or 8.
        left, top: where the picture begins in `pixels`. Its sides need not be multiples of part,
            and then it covers the outermost pixels only in part: here, or at the other end.
    """

    pixels: NDArray[np.uint8]
    size: tuple[int, int]
    part: int = 1
    left: float = 0.0
    top: float = 0.0

    @classmethod
    def whole(cls, pixels: NDArray[np.uint8]) -> "UprightPicture":
        """A picture that was decoded in full, [height, width, 3]."""
        return cls(pixels, (pixels.shape[1], pixels.shape[0]))

    @classmethod
    def turned(
        cls, pixels: NDArray[np.uint8], stored: tuple[int, int], part: int, orientation: int
    ) -> "UprightPicture":
        """A picture that was decoded at 1/part of its size, and then turned.

        Args:
            stored: (width, height) in the file.
            orientation: by EXIF, 1 to 8.
        """
        size = stored if orientation <= 4 else (stored[1], stored[0])
        rows, cols = pixels.shape[:2]
        left = cols - size[0] / part if orientation in _FROM_RIGHT else 0.0
        top = rows - size[1] / part if orientation in _FROM_BELOW else 0.0
        return cls(pixels, size, part, left, top)

    @cached_property
    def _image(self) -> Image.Image:
        """The pixels as Pillow holds them: a copy, which both sizes are made of."""
        return Image.fromarray(self.pixels)

    def resized(
        self,
        size: tuple[int, int],
        resample: Image.Resampling = Image.Resampling.BICUBIC,
        *,
        seen: Edges | None = None,
        reducing_gap: float | None = None,
    ) -> Image.Image:
        """The picture, or what is seen of it, at another size.

        Args:
            size: (width, height) of the result.
            seen: edges in pixels of the picture; None for all of it.
            reducing_gap: see Image.resize.
        """
        left, top, right, bottom = seen or (0, 0, *self.size)
        box = (
            left / self.part + self.left,
            top / self.part + self.top,
            right / self.part + self.left,
            bottom / self.part + self.top,
        )
        return self._image.resize(size, resample, box, reducing_gap)

    def thumbnail(self, side: int) -> Image.Image:
        """The picture with at most `side` pixels on its longest side.

        It is never enlarged: neither above the size of the picture, nor above its pixels.
        """
        size = within(self.size, side)
        rows, cols = self.pixels.shape[:2]
        if size[0] > cols or size[1] > rows:
            size = within((cols, rows), side)
        if size == (cols, rows) and self.part == 1:
            return self._image
        # Next to bicubic this filter takes two thirds of the time, and Pillow rates them alike.
        return self.resized(size, Image.Resampling.HAMMING, reducing_gap=2.0)
