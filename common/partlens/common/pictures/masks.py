"""Which pixels of a picture a mask marks."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import depths
from partlens.common.pictures.colours import to_srgb
from partlens.common.pictures.decoding import colours, transparency
from partlens.common.pictures.opening import FORMATS, RequireSize, Stored, opened, refusals


def inside(
    data: bytes, require_size: RequireSize, formats: tuple[str, ...] = FORMATS
) -> NDArray[np.bool_]:
    """The pixels that a mask marks, bool [height, width], upright.

    Where some pixels are fully transparent and others are not, it marks the others. Else alpha
    says nothing, and it marks what is not black: any channel above 0 counts, however little.

    Args:
        data: an encoded picture.
        require_size: called with its (width, height) before memory is taken for it.
        formats: which to try.

    Raises:
        PictureError: not an image, of another format, damaged.
    """
    stored = opened(data, require_size, formats)
    with refusals():
        low = stored.low_bytes()
        marked = _not_clear(stored, low)
        if marked is None:
            marked = _not_black(stored.image, low)
        return np.asarray(stored.upright(Image.fromarray(marked.astype(np.uint8)))) > 0


def _not_clear(stored: Stored, low: NDArray[np.uint8] | None) -> NDArray[np.bool_] | None:
    """None where alpha tells no pixels apart."""
    alpha = transparency(stored)
    if alpha is None:
        return None
    marked = np.asarray(np.asarray(alpha) > 0)
    if low is not None and low.shape[2] == 4:
        marked |= low[:, :, 3] > 0
    return None if marked.all() or not marked.any() else marked


def _not_black(image: Image.Image, low: NDArray[np.uint8] | None) -> NDArray[np.bool_]:
    if depths.is_deep(image):
        return depths.is_not_black(image)
    values = np.asarray(to_srgb(colours(image), None))
    if low is not None:
        values = values | low[:, :, :3]
    return np.asarray(values.any(axis=2), np.bool_)
