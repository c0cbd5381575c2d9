"""What files and live streams share: opening them, choosing frames, frames as pictures."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.installing import pip_install
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.indexer.errors import SourceError
from partlens.indexer.stated import NOTHING_STATED, Stated

EARLY = 0.0005
"""Seconds that a frame may come before its time: times are written to a millisecond."""


@dataclass(frozen=True)
class FrameImage:
    """A picture that is part of a video.

    Attributes:
        id: what the gallery will call it.
        uri: of the video, with the part of it as in a Media Fragments URI (W3C).
        metadata: what is known of it.
        image: RGB uint8 [rows, cols, 3], upright.
        stated: which fields the metadata is about.
    """

    id: str
    uri: str
    metadata: Metadata
    image: NDArray[np.uint8] = field(repr=False)
    stated: Stated = NOTHING_STATED

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """As PNG, which loses nothing."""
        out = BytesIO()
        Image.fromarray(self.image).save(out, "PNG", compress_level=1)
        return out.getvalue()


class Pace:
    """Chooses frames at intervals: of each, the first that comes.

    Args:
        every: seconds of an interval.
    """

    def __init__(self, every: float) -> None:
        self._every, self._wanted = every, 0.0

    def is_due(self, at: float) -> bool:
        """Whether the frame of this time, in seconds since the first, is chosen."""
        if at + EARLY < self._wanted:
            return False
        self._wanted = (math.floor((at + EARLY) / self._every) + 1) * self._every
        return True


@contextmanager
def opened(
    url: str, shown: str, limits: ImageLimits, options: dict[str, str], **how: Any
) -> Iterator[tuple[Any, Any]]:
    """A container of PyAV, and its first stream of pictures.

    Args:
        url: may hold a password; what is raised names `shown` instead.
        options: of FFmpeg, among them the protocols that it may speak.
        how: other arguments of av.open.

    Raises:
        SourceError: it cannot be opened, has no pictures, or has larger ones than the limits allow.
    """
    try:
        import av
        from av.error import FFmpegError
    except ImportError as error:
        raise SourceError(f"reading videos needs PyAV: {pip_install('video')}") from error
    container, reason = None, ""
    try:
        container = av.open(url, metadata_errors="replace", options=options, **how)
    except (FFmpegError, OSError, ValueError) as error:
        # The error itself quotes the address, so that it must not become the context of another.
        reason = getattr(error, "strerror", None) or type(error).__name__
    if container is None:
        raise SourceError(f"{shown} cannot be read as a video: {reason}")
    with container:
        if not container.streams.video:
            raise SourceError(f"{shown} has no pictures")
        stream = container.streams.video[0]
        # A stream may also grow later. The decoder counts with padding, so that it gets room.
        room = 2 * limits.max_pixels + 2**16
        stream.codec_context.options = {"max_pixels": str(room)}
        if stream.width * stream.height > limits.max_pixels:
            raise SourceError(
                f"{shown} has frames of {stream.width}x{stream.height} pixels; at most"
                f" {limits.max_pixels} are allowed"
            )
        yield container, stream


def upright(frame: Any) -> NDArray[np.uint8]:
    """A decoded frame as RGB uint8 [rows, cols, 3], turned as its container says."""
    image: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns))
