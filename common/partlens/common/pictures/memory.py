"""The memory that decoding a picture takes, known before it is taken."""

from partlens.common.pictures import heic
from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.opening import recognised
from partlens.common.pictures.watching import while_waiting
from partlens.common.waiting import RequireWaiting, wait_always

BYTES_A_PIXEL = 12
"""The image and what is made of it, or the image twice where 16 bits are compared."""
_PROGRESSIVE = 16
"""A progressive JPEG's coefficients are in memory as a whole."""
_AT_ONCE = 20
"""Libraries that decode at once also keep canvases, or planes of 16 bits."""
_LIBRARIES = ("WEBP", "AVIF", heic.FORMAT)


def memory_of(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
) -> int:
    """Bytes that decode takes at most for a picture, at least 1; reads no more than its header.

    Raises:
        PictureError: see decode; damage behind the header is not found.
    """
    limits.require_bytes(data)
    return while_waiting(require_waiting, lambda check: _memory_of(data, limits, check))


def _memory_of(data: bytes, limits: ImageLimits, check: RequireWaiting) -> int:
    with limits.naming_limit():
        image = recognised(data, limits.require_size, require_waiting=check)
    kind = BYTES_A_PIXEL
    if image.format in _LIBRARIES:
        kind = _AT_ONCE
    elif "progressive" in image.info:
        kind = _PROGRESSIVE
    return image.width * image.height * kind
