"""Upsamples maps of the feature grid to the size of the image they explain."""

import numpy as np
from numpy.typing import NDArray

from partlens.common.registration import Registration
from partlens.explainer.errors import ShapeError
from partlens.explainer.preprocessing import Preprocessing


def upsample(
    values: NDArray[np.floating],
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
) -> NDArray[np.float32]:
    """One number per pixel, bilinear between the centres of the cells; signed, not rescaled.

    Beyond the outermost centres the value stays that of the edge. Pixels that the model crops away
    are 0, since they contributed nothing.

    Args:
        values: the map, shape [rows, cols].
        image_size: (width, height) of the original upright image.
        preprocessing: the model's preprocessing of that image.
        registration: where the cells look.

    Returns:
        Float32, shape [height, width].

    Raises:
        ShapeError: the map has another shape than the registration.
    """
    if values.shape != registration.grid:
        raise ShapeError(f"the map has shape {values.shape}, but the grid is {registration.grid}")
    width, height = image_size
    frame = preprocessing.frame(width, height)
    x = (np.arange(width) + 0.5) * frame.scale_x + frame.offset_x
    y = (np.arange(height) + 0.5) * frame.scale_y + frame.offset_y
    down = registration.rows.interpolation(y / preprocessing.height)
    across = registration.cols.interpolation(x / preprocessing.width)
    return (down @ values.astype(np.float64) @ across.T).astype(np.float32)
