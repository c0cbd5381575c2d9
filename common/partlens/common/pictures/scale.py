"""At which part of its size a JPEG is decoded: for those who need no more pixels, less work."""

import math
from collections.abc import Callable
from dataclasses import dataclass

THUMBNAIL_SIDE = 160
"""Longest side of a thumbnail, in pixels."""
PARTS = (8, 4, 2)
"""A JPEG can be decoded at an eighth, a quarter or a half of its width and height."""


@dataclass(frozen=True)
class Least:
    """The least size, in pixels, at which a picture may be decoded.

    Attributes:
        width, height: of the upright picture.
        longest: of its longer side.
    """

    width: int = 1
    height: int = 1
    longest: int = 1

    def part(self, width: int, height: int) -> int:
        """8, 4, 2 or 1: the smallest 1/part of an upright picture's size that is large enough.

        >>> Least(width=448, height=448).part(4000, 3000), Least(longest=500).part(3999, 3000)
        (4, 4)
        """
        for part in PARTS:
            enough = width >= part * self.width and height >= part * self.height
            if enough and max(width, height) >= part * self.longest:
                return part
        return 1


def within(size: tuple[int, int], side: int) -> tuple[int, int]:
    """(width, height) of a picture that keeps its proportions and has no side above `side`.

    It is never enlarged. Rounded as Pillow's Image.thumbnail does.

    >>> within((4000, 3000), 160), within((8000, 10), 160), within((30, 20), 160)
    ((160, 120), (160, 1), (30, 20))
    """
    width, height = size
    if max(size) <= side:
        return size
    aspect = width / height
    if aspect <= 1:
        return _nearest(side * aspect, lambda n: abs(aspect - n / side)), side
    return side, _nearest(side / aspect, lambda n: abs(aspect - side / n) if n else 0)


def _nearest(number: float, error: Callable[[int], float]) -> int:
    return max(min(math.floor(number), math.ceil(number), key=error), 1)
