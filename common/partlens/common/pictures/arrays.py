"""Arrays of pixels, as programs hold them, to upright RGB pixels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.common.pictures.errors import PictureError


def array_pixels(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels of an upright RGB array [height, width, 3], or a grey one [height, width].

    Args:
        image: uint8 0 to 255, or floats 0 to 1.

    Returns:
        Uint8, shape [height, width, 3].

    Raises:
        PictureError: another shape, type or range; the message says what to do.
    """
    if image.ndim == 2 and image.size:
        image = np.repeat(image[:, :, None], 3, 2)
    if image.ndim == 3 and image.shape[2] == 3 and image.size:
        return levels(image, "array")
    raise PictureError(
        f"an array must have shape [height, width, 3], or [height, width] for grey; got"
        f" {list(image.shape)}{_advice(image.shape)}"
    )


def levels(pixels: NDArray[Any], kind: str) -> NDArray[np.uint8]:
    """Pixels of any shape as uint8 0 to 255.

    Args:
        pixels: uint8 0 to 255, or floats 0 to 1.
        kind: "array" or "tensor", for the error.

    Raises:
        PictureError: another type or range.
    """
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels, np.uint8)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise PictureError(
            f"an image {kind} must hold uint8 from 0 to 255, or floats from 0 to 1; got"
            f" {pixels.dtype}"
        )
    least, most = float(pixels.min()), float(pixels.max())
    if not (least >= 0 and most <= 1):  # so that NaN is refused too
        raise PictureError(
            f"an image {kind} of floats must hold values from 0 to 1; got {least:g} to {most:g}."
            " Divide pixels of 0 to 255 by 255, or make them uint8"
        )
    return np.round(np.asarray(pixels, np.float32) * 255).astype(np.uint8)


def _advice(shape: tuple[int, ...]) -> str:
    if 0 in shape:
        return ": it is empty"
    if len(shape) == 4:
        return ": these are several images; give one of them, as images[0]"
    if len(shape) != 3:
        return ""
    if shape[2] == 4:
        return ": blend its alpha channel, or leave it out with image[:, :, :3]"
    if shape[0] in (1, 3):
        return ": move the channels to the end with image.transpose(1, 2, 0)"
    return ""
