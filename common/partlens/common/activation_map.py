"""A map of one number per position, and where it lies on its image."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.common.registration import Registration

FloatArray = NDArray[np.float32]


class Sums(NamedTuple):
    """Sums over all positions, over the red (positive) ones and over the blue (negative) ones."""

    sum: float
    red: float
    blue: float


@dataclass(frozen=True, eq=False)
class ActivationMap:
    """One number per position, signed and not rescaled.

    Attributes:
        values: shape [rows, cols].
        extent: the rectangle of the image, in its pixels, that the map covers.
        registration: where the map's cells look, as fractions of the extent.
    """

    values: FloatArray
    extent: Box
    registration: Registration

    def __post_init__(self) -> None:
        if self.values.shape != self.registration.grid:
            raise ValueError(
                f"a map of shape {self.values.shape} needs a centre for each row and column, got"
                f" {self.registration.grid}"
            )

    def __repr__(self) -> str:
        rows, cols = self.registration.grid
        return f"ActivationMap({rows}x{cols} positions, sum {self.sums.sum:+.4f})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy)

    @property
    def sums(self) -> Sums:
        """What the positions add up to."""
        values = self.values.astype(float)
        red, blue = values[values > 0].sum(), values[values < 0].sum()
        return Sums(float(values.sum()), float(red), float(blue))

    def upsampled(self, width: int, height: int) -> FloatArray:
        """One number per pixel of the image, bilinear between the centres of cells; not rescaled.

        Beyond the outermost centres the value stays that of the edge.

        Args:
            width, height: size of the image.

        Returns:
            Float32, shape [height, width]; 0 outside the map's extent.
        """
        extent, looks = self.extent, self.registration
        x = (np.arange(width) + 0.5 - extent.x) / max(extent.width, 1e-9)
        y = (np.arange(height) + 0.5 - extent.y) / max(extent.height, 1e-9)
        down, across = looks.rows.interpolation(y), looks.cols.interpolation(x)
        return (down @ self.values.astype(np.float64) @ across.T).astype(np.float32)
