"""Decodes image bytes to upright RGB pixels, and lists the image files of a folder."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.common import pictures
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits, PictureError
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
    least_side: int = 0,
) -> NDArray[np.uint8]:
    """Decode an image to upright pixels, uint8 sRGB [height, width, 3].

    See partlens.common.pictures.decode.

    Raises:
        ImageError: empty, not an image, of another format, damaged or over the limits.
    """
    try:
        return pictures.decode(data, limits, require_waiting, least_side)
    except PictureError as error:
        raise ImageError(str(error)) from error


def memory_of(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
) -> int:
    """Bytes of memory that decode takes at most; see partlens.common.pictures.memory_of.

    Raises:
        ImageError: see decode.
    """
    try:
        return pictures.memory_of(data, limits, require_waiting)
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
