"""A loaded image, taken apart into strips: its pixels are never copied as a whole."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import depths, gif
from partlens.common.waiting import RequireWaiting

_STRIP_PIXELS = 2**20
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""Modes of colours that are multiplied by alpha, and the same without."""


@dataclass(frozen=True, eq=False)
class Strip:
    """Some rows of an image.

    Attributes:
        rows: which, of the stored image.
        image: their pixels, in any mode of Pillow but those that are multiplied by alpha.
        tags: of the image, if it is a TIFF.
        low: the lower byte of each sample, [rows, width, bands] of the image; see Stored.strips.
    """

    rows: slice
    image: Image.Image
    tags: Mapping[int, Any]
    low: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Stored:
    """A loaded image as it is stored: the first one of several, not yet upright.

    Attributes:
        image: its pixels, as Pillow loads them; its ICC profile is in info["icc_profile"].
        size: (width, height) in the file.
        part: the image is loaded at 1/part of that size.
        rawmode: how Pillow calls the layout of the encoded samples; "" where it does not say.
        frame: of a GIF, see gif.frame_of.
        load_as: loads the image again, with another raw mode.
        require_waiting: called for each strip.
    """

    image: Image.Image
    size: tuple[int, int]
    part: int
    rawmode: str
    frame: gif.Box | None
    load_as: Callable[[str], Image.Image]
    require_waiting: RequireWaiting

    def strips(self, *, low: bool) -> Iterator[Strip]:
        """The image from top to bottom.

        Args:
            low: give the lower byte of each sample of a colour image of 16 bits, of which Pillow
                keeps the upper. Other samples have none.
        """
        width, height = self.image.size
        tags = depths.tags_of(self.image)
        other = depths.low_bytes_of(self.rawmode) if low else None
        lower = None if other is None else self.load_as(other)
        step = max(1, _STRIP_PIXELS // width)
        for top in range(0, height, step):
            self.require_waiting()
            box = (0, top, width, min(top + step, height))
            bytes_below = None if lower is None else self._low_bytes(lower.crop(box))
            yield Strip(slice(top, box[3]), self._straight(box), tags, bytes_below)

    def _straight(self, box: gif.Box) -> Image.Image:
        strip = self.image if box == (0, 0, *self.image.size) else self.image.crop(box)
        if self.frame is not None:
            left, top, right, bottom = self.frame
            return gif.only(strip, (left, top - box[1], right, bottom - box[1]))
        straight = _STRAIGHT.get(strip.mode)
        return strip.convert(straight) if straight else strip

    def _low_bytes(self, strip: Image.Image) -> NDArray[np.uint8]:
        low = np.asarray(strip)
        return low[:, :, [1, 1, 1, 3]] if self.rawmode == depths.GREY_ALPHA else low
