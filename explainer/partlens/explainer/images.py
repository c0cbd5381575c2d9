"""Decodes image bytes to upright RGB pixels, and lists the image files of a folder."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common import pictures
from partlens.common.pictures import (
    DEFAULT_LIMITS,
    ImageLimits,
    Least,
    PictureError,
    UprightPicture,
)
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.errors import ImageError
from partlens.explainer.folders import contents

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".pbm", ".pnm", ".avif", ".heic", ".heif", ".hif"),
    )
)
"""Files with these extensions count as images."""


def decode(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
) -> NDArray[np.uint8]:
    """Decode an image in full, to upright pixels, uint8 sRGB [height, width, 3].

    See partlens.common.pictures.decode. What a model sees is decoded by decode_at_least.

    Raises:
        ImageError: empty, not an image, of another format, damaged or over the limits.
    """
    try:
        return pictures.decode(data, limits, require_waiting)
    except PictureError as error:
        raise ImageError(str(error)) from error


def decode_at_least(
    data: bytes,
    least: Least | None,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
    reserve: Callable[[int], object] = lambda _: None,
) -> UprightPicture:
    """Decode an image, a JPEG at the smallest part of its size that is enough.

    See partlens.common.pictures.decode_at_least.

    Args:
        least: Preprocessing.least for a model, so that a picture always gives the same numbers.

    Raises:
        ImageError: see decode.
    """
    try:
        return pictures.decode_at_least(data, least, limits, require_waiting, reserve)
    except PictureError as error:
        raise ImageError(str(error)) from error


def memory_of(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
    least: Least | None = None,
) -> int:
    """Bytes of memory that decoding takes at most; see partlens.common.pictures.memory_of.

    Raises:
        ImageError: see decode.
    """
    try:
        return pictures.memory_of(data, limits, require_waiting, least)
    except PictureError as error:
        raise ImageError(str(error)) from error


def image_files(folder: Path) -> list[Path]:
    """The files in a folder and its subfolders with an image extension, sorted.

    Links to folders are not followed.

    Raises:
        ImageError: a folder cannot be listed.
    """
    found = contents(folder)
    if found.unreadable:
        raise ImageError(f"folder {found.unreadable[0]} is missing or cannot be listed")
    return [path for path in found.files if path.suffix.lower() in SUFFIXES]
