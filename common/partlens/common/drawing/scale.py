"""The colour scale of maps."""

import math
from dataclasses import dataclass

import numpy as np

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.errors import FigureError

# Percentage of positions that may exceed the strongest colour. Otherwise a single winner of max
# pooling would leave everything else without colour.
_SATURATED = 2.0
_ROUND = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class Scale:
    """Colour scale, shared by all maps that it was computed from.

    Attributes:
        strongest: magnitude at which the colour saturates.
        largest: largest magnitude in the maps.
    """

    strongest: float
    largest: float

    @classmethod
    def of(cls, *maps: ActivationMap | None) -> "Scale":
        """A common scale for all of the maps."""
        values = [np.abs(map.values).ravel() for map in maps if map is not None]
        moved = np.concatenate(values) if values else np.zeros(0, np.float32)
        moved = moved[moved > 0]
        if not len(moved):
            return cls(0.0, 0.0)
        return cls(float(np.percentile(moved, 100 - _SATURATED)), float(moved.max()))

    @classmethod
    def numbered(cls, *maps: ActivationMap, strongest: float | None = None) -> "Scale":
        """A scale that ends at a given number, else at a round one: 1, 2 or 5 times a power of 10.

        Args:
            strongest: to compare figures, give all of them the same.

        Raises:
            FigureError: not a finite number above 0.
        """
        found = cls.of(*maps)
        if strongest is None:
            return cls(_rounded_up(found.strongest), found.largest)
        if not (math.isfinite(strongest) and strongest > 0):
            raise FigureError(
                f"the scale is {strongest}; it must be a finite number above 0, the value at which"
                " colours are strongest"
            )
        return cls(float(strongest), found.largest)


def _rounded_up(number: float) -> float:
    """The next round number.

    >>> [_rounded_up(number) for number in (0.0, 0.013, 0.05, 3.0)]
    [0.0, 0.02, 0.05, 5.0]
    """
    if not number > 0:
        return 0.0
    power = math.floor(math.log10(number))
    for step in _ROUND:
        rounded = float(f"{step:g}e{power}")
        if rounded >= number * (1 - 1e-6):
            return rounded
    return float(f"1e{power + 1}")
