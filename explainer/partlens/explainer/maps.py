"""Upsamples maps of the feature grid to the size of the image they explain."""

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError
from partlens.explainer.preprocessing import Preprocessing


def upsample(
    values: NDArray[np.floating],
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
) -> NDArray[np.float32]:
    """One number per pixel, bilinear between the centres of the cells; signed, not rescaled.

    Beyond the outermost centres the value stays that of the edge. Pixels that the model crops away
    are 0, since they contributed nothing.

    Args:
        values: the map, shape [rows, cols].
        image_size: (width, height) of the original upright image.
        preprocessing: the model's preprocessing of that image.

    Returns:
        Float32, shape [height, width].

    Raises:
        ShapeError: the map is not two-dimensional, or is empty.
    """
    if values.ndim != 2 or values.size == 0:
        raise ShapeError(f"a map must have shape [rows, cols], got {values.shape}")
    width, height = image_size
    frame = preprocessing.frame(width, height)
    rows, cols = values.shape
    x = (np.arange(width) + 0.5) * frame.scale_x + frame.offset_x
    y = (np.arange(height) + 0.5) * frame.scale_y + frame.offset_y
    down = _interpolation(y / preprocessing.height, rows)
    across = _interpolation(x / preprocessing.width, cols)
    return (down @ values.astype(np.float64) @ across.T).astype(np.float32)


def _interpolation(at: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Weight of each cell at each place in 0..1 of the input; rows of zeros outside it."""
    centre = np.clip(at * cells - 0.5, 0, cells - 1)
    weights = np.maximum(0.0, 1 - np.abs(centre[:, None] - np.arange(cells)))
    return np.where(((at >= 0) & (at <= 1))[:, None], weights, 0.0)
