"""Which pixels of a picture a mask marks."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import depths, orientation
from partlens.common.pictures.colours import to_srgb
from partlens.common.pictures.decoding import colours, transparency
from partlens.common.pictures.encoded import Encoded
from partlens.common.pictures.opening import FORMATS, opened, refusals
from partlens.common.pictures.stored import Stored, Strip
from partlens.common.pictures.watching import while_waiting
from partlens.common.waiting import RequireWaiting, wait_always


def inside(
    data: bytes,
    require_size: Callable[[int, int], None],
    formats: tuple[str, ...] = FORMATS,
    require_waiting: RequireWaiting = wait_always,
) -> NDArray[np.bool_]:
    """The pixels that a mask marks, bool [height, width], upright.

    Where some pixels are fully transparent and others are not, it marks the others. Else alpha
    says nothing, and it marks what is not black: any channel above 0 counts, however little.

    Args:
        data: an encoded picture.
        require_size: called with its (width, height) before memory is taken for it.
        formats: which to try.
        require_waiting: see decode.

    Raises:
        PictureError: not an image, of another format, damaged.
    """

    def require(encoded: Encoded) -> None:
        require_size(*encoded.size)

    return while_waiting(
        require_waiting, lambda check: _marked(opened(data, require, formats, check))
    )


def _marked(stored: Stored) -> NDArray[np.bool_]:
    image = stored.image
    shape, turn = (image.height, image.width), orientation.of(image.info)
    by_alpha, opaque = orientation.upright(shape, np.bool_, turn)
    by_colour, coloured = orientation.upright(shape, np.bool_, turn)
    opaque[:] = True  # where there is no alpha
    with refusals():
        for strip in stored.strips(low=True):
            alpha = transparency(strip)
            if alpha is not None:
                opaque[strip.rows] = _not_clear(alpha, strip)
            coloured[strip.rows] = _not_black(strip)
    return by_alpha if by_alpha.any() and not by_alpha.all() else by_colour


def _not_clear(alpha: Image.Image, strip: Strip) -> NDArray[np.bool_]:
    marked = np.asarray(np.asarray(alpha) > 0)
    if strip.low is not None and strip.low.shape[2] == 4:
        marked |= strip.low[:, :, 3] > 0
    return marked


def _not_black(strip: Strip) -> NDArray[np.bool_]:
    if depths.is_deep(strip.image.mode):
        return depths.is_not_black(strip.image, strip.tags)
    values = np.asarray(to_srgb(colours(strip), None))
    if strip.low is not None:
        values = values | strip.low[:, :, :3]
    return np.asarray(values.any(axis=2), np.bool_)
