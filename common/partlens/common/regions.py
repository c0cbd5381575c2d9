"""Regions that a user marks, in pixels of the original upright image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Box:
    """The rectangle from its top left corner (x, y) to (x + width, y + height)."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Point:
    """One place; it stands for the whole feature-map cell that it lies in.

    Attributes:
        snap: stand for the part that it lies on instead: the cells around it that the model sees
            alike.
    """

    x: float
    y: float
    snap: bool = False


@dataclass(frozen=True)
class Polygon:
    """A closed outline of at least three (x, y) corners; if it crosses itself, the even-odd rule
    decides what is inside."""

    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, eq=False)
class Mask:
    """The covered pixels, bool [height, width]."""

    array: NDArray[np.bool_]


@dataclass(frozen=True)
class Whole:
    """The whole picture."""


Region = Box | Point | Polygon | Mask | Whole
