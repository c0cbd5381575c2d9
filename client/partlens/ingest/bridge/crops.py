"""Crops a snapshot to the tracked object."""

import io

from PIL import Image

from partlens.common.pictures import ImageLimits, decode
from partlens.ingest.bridge.frigate_api import Shot
from partlens.ingest.bridge.frigate_event import Box

_QUALITY = 95


def cropped(shot: Shot, box: Box, limits: ImageLimits) -> bytes:
    """Crop a snapshot to a box, as a JPEG.

    A picture that Frigate has already cropped, or that does not contain the box, is kept whole.

    Args:
        shot: the snapshot.
        box: (left, top, right, bottom) in pixels of the frame that Frigate detects in; the
            picture may have another scale.
        limits: limits on the picture.

    Raises:
        PictureError: the picture is unusable.
    """
    image = decode(shot.data, limits)
    height, width = image.shape[:2]
    across, down = (width / shot.size[0], height / shot.size[1]) if shot.size else (1.0, 1.0)
    left, right = (round(across * number) for number in (box[0], box[2]))
    top, bottom = (round(down * number) for number in (box[1], box[3]))
    left, top = max(left, 0), max(top, 0)
    # Boxes of objects at the edge exceed the frame by a pixel or two.
    holds = left < right <= width + 2 and top < bottom <= height + 2
    if holds and not shot.cropped:
        image = image[top:bottom, left:right]
    written = io.BytesIO()
    # No chroma subsampling, to keep the colour of small things such as a distant hat.
    Image.fromarray(image).save(written, "JPEG", quality=_QUALITY, subsampling=0)
    return written.getvalue()
