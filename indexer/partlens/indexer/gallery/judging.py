"""What the positions that an index names say about PART of the images that they belong to."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.records import FloatArray

Keys = NDArray[np.int64]
"""Rows of several segments, numbered one segment after another."""


class Named(NamedTuple):
    """Vectors that indexes name, in no order.

    Attributes:
        keys: of the rows that they are of; with positions, a row may come several times.
        near: the product of each with the query, shape as keys.
        whole: share of what was asked for that they are. Graphs name few where parts of them are
            not connected.
    """

    keys: Keys
    near: FloatArray
    whole: float


@dataclass(frozen=True, eq=False)
class AboutPart:
    """About PART of images, by their positions that are named for a region.

    The last position that is named, as of an image of which none is, and the length of what the
    named ones of an image have beyond it: an image with several is likely to show the whole region.
    Measured with 100,000 images, the nearest position alone found less, and a sum less where more
    are named. The less of what was asked for is named, the less that tells.

    Attributes:
        keys: of the image of each named position, shape [N].
        squares: squared length of what the named ones of each image have beyond the last, shape
            [M].
        least: the last position.
        whole: as of Named.

    >>> named = Named(np.array([2, 0, 2, 0]), np.array([0.75, 0.25, 0.625, 0.5]), 1.0)
    >>> found = AboutPart.of(named, 3)
    >>> found.most(2).tolist(), found.of_images(np.array([0, 1, 2])).tolist()
    ([2, 2], [0.5, 0.25, 0.875])
    """

    keys: Keys
    squares: NDArray[np.float64]
    least: float
    whole: float

    @classmethod
    def of(cls, named: Named, images: int) -> "AboutPart":
        """By positions that are named with their cosine with the region's feature.

        Args:
            images: M, of all segments.
        """
        least = float(named.near.min(initial=1))
        beyond = np.square(named.near - least)
        squares = np.asarray(np.bincount(named.keys, beyond, images), np.float64)
        return cls(named.keys, squares, least, named.whole)

    def most(self, count: int) -> Keys:
        """The images of which it is largest, as many as `count` or more positions belong to; an
        image comes once for each of its positions."""
        if len(self.keys) <= count:
            return self.keys
        squares = self.squares[self.keys]
        likely: Keys = self.keys[squares >= np.partition(squares, -count)[-count]]
        return likely

    def of_images(self, keys: Keys) -> FloatArray:
        """About PART of any images, shape as keys."""
        return np.asarray(self.least + self.whole * np.sqrt(self.squares[keys]), np.float32)
