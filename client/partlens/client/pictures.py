"""Pictures as callers have them, to the encoded bytes that are sent."""

import io
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union

import numpy as np
from numpy.typing import NDArray

from partlens.client import checks
from partlens.client.errors import MissingLibraryError, RequestError
from partlens.common.files import read_file

if TYPE_CHECKING:
    from PIL import Image

    from partlens.common.pictures import UprightPicture

# A Union, as callers may write `PictureLike | None`, and Pillow is not imported here.
PictureLike: TypeAlias = Union[bytes, str, os.PathLike[str], "Image.Image", NDArray[Any]]
"""A picture: its encoded bytes, its file, a PIL image, or an RGB array [height, width, 3] or grey
array [height, width], of uint8 0 to 255 or floats 0 to 1. PIL images and arrays are sent as PNG."""

_ALLOWED = "a path, the bytes of a picture, a PIL image or an RGB array [height, width, 3]"


def is_picture(value: object) -> bool:
    """Whether a value is meant as one picture, not several: not an array of more axes."""
    if isinstance(value, np.ndarray):
        return value.ndim < 4
    single = isinstance(value, bytes | bytearray | memoryview | str | os.PathLike)
    # An open file could be iterated over, but its lines are no pictures; encoded refuses it.
    return single or _is_pil(value) or hasattr(value, "read")


def encoded(name: str, value: Any) -> bytes:
    """The encoded bytes of a picture.

    Args:
        name: name of the argument, for errors.
        value: a PictureLike.

    Raises:
        RequestError: it is something else, or its file cannot be read.
        MissingLibraryError: a PIL image or an array, without Pillow.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str | os.PathLike):
        return _of_file(name, value)
    if isinstance(value, np.ndarray) or _is_pil(value):
        return _png(name, value)
    hint = ": give its numpy()" if callable(getattr(value, "numpy", None)) else ""
    hint = ": give the bytes that read() returns" if hasattr(value, "read") else hint
    raise RequestError(f"{name} must be {_ALLOWED}, not {checks.shown(value)}{hint}", name)


def _of_file(name: str, path: str | os.PathLike[str]) -> bytes:
    shown = checks.shown(os.fspath(path))
    if "://" in shown:
        raise RequestError(
            f"{name} is {shown}, an address; download the picture, and give its path or bytes", name
        )
    try:
        return read_file(Path(path))
    except (OSError, ValueError) as error:  # ValueError: a null byte, or a lone surrogate
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise RequestError(
            f"{name} is the path {shown}, which cannot be read: {problem}. For an image of the"
            " gallery, give GalleryImageId(id)",
            name,
        ) from None


def opened(name: str, value: Any, size: tuple[int, int]) -> "UprightPicture":
    """A picture to draw on.

    Args:
        name, value: as in encoded.
        size: (width, height) of the image that it shows.

    Raises:
        RequestError: as in encoded, or bytes that are not a picture.
        MissingLibraryError: Pillow is not installed.
    """
    require_pillow("a figure")
    from partlens.common.drawing.sheet import least_shown
    from partlens.common.pictures import PictureError, UprightPicture, decode_at_least

    if isinstance(value, np.ndarray) or _is_pil(value):
        return UprightPicture.whole(_pixels(name, value))
    try:
        return decode_at_least(encoded(name, value), least_shown(size))
    except PictureError as error:
        raise RequestError(f"{name} is not a picture: {error}", name) from error


def require_pillow(what: str) -> Any:
    """The module PIL.Image; raises MissingLibraryError.

    Args:
        what: what needs it.
    """
    try:
        return import_module("PIL.Image")
    except ImportError as error:
        raise MissingLibraryError(what, "Pillow", "cli") from error


def _png(name: str, value: Any) -> bytes:
    image = require_pillow("a PIL image or an array")
    out = io.BytesIO()
    image.fromarray(_pixels(name, value)).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _pixels(name: str, value: Any) -> NDArray[np.uint8]:
    """Pixels of a PIL image or an array, uint8 RGB [height, width, 3]."""
    from partlens.common.pictures import PictureError, pixels_of
    from partlens.common.pictures.arrays import array_pixels

    try:
        return array_pixels(value) if isinstance(value, np.ndarray) else pixels_of(value)
    except PictureError as error:
        raise RequestError(f"{name}: {error}", name) from error


def _is_pil(value: object) -> bool:
    """Whether it is a PIL image; whoever has one has Pillow, which is not imported for others."""
    return any(
        f"{kind.__module__}.{kind.__name__}" == "PIL.Image.Image" for kind in type(value).__mro__
    )
