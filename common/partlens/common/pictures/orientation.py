"""The turn that EXIF asks for, made while pixels are written."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from PIL import Image

_ORIENTATION = 0x0112


def of(info: Mapping[str | tuple[int, int], Any]) -> int:
    """The EXIF orientation of an image's info, 1 to 8; 1 if it states none.

    What XMP alone says does not count: no viewer turns a picture by it. TIFF is turned when it is
    loaded.
    """
    exif = Image.Exif()
    try:
        exif.load(info["exif"])
        stated = exif.get(_ORIENTATION, 1)
        return stated if isinstance(stated, int) and 1 <= stated <= 8 else 1
    except Exception:  # Pillow raises many types on EXIF that is damaged or not there.
        return 1


def upright(
    shape: tuple[int, ...], kind: DTypeLike, orientation: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """An array for an upright image, and a view of it to write the stored pixels to.

    Args:
        shape: of the stored image, [height, width, ...].

    >>> turned, stored = upright((1, 2), np.uint8, 6)
    >>> stored[:] = [[1, 2]]
    >>> turned.tolist()
    [[1], [2]]
    """
    sides = shape[:2] if orientation <= 4 else shape[1::-1]
    made = np.empty((*sides, *shape[2:]), kind)
    return made, _as_stored(made, orientation)


def _as_stored(made: NDArray[Any], orientation: int) -> NDArray[Any]:
    match orientation:
        case 2:
            return made[:, ::-1]
        case 3:
            return made[::-1, ::-1]
        case 4:
            return made[::-1]
        case 5:
            return made.swapaxes(0, 1)
        case 6:
            return np.rot90(made, 1)
        case 7:
            return made[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(made, -1)
        case _:
            return made
