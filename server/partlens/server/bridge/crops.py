"""The part of a snapshot that shows the object, as a picture of its own."""

import io

from PIL import Image

from partlens.explainer.images import ImageLimits, decode
from partlens.server.bridge.frigate_event import Box

_QUALITY = 95


def cropped(data: bytes, box: Box, limits: ImageLimits) -> bytes:
    """The box cut out of an encoded picture, as a JPEG.

    A picture that does not hold the box was cropped by Frigate already, and is taken whole.

    Args:
        box: (left, top, right, bottom) in pixels of the upright picture.

    Raises:
        ImageError: it is no picture that can be used.
    """
    image = decode(data, limits)
    height, width = image.shape[:2]
    left, top, right, bottom = (round(number) for number in box)
    left, top = max(left, 0), max(top, 0)
    # Boxes of objects at the edge stick out by a pixel or two.
    if left < right <= width + 2 and top < bottom <= height + 2:
        image = image[top:bottom, left:right]
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG", quality=_QUALITY)
    return written.getvalue()
