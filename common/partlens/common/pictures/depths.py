"""Pictures of other depths than 8 bits: what their numbers mean."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures.errors import PictureError

_BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _SAMPLE_FORMAT = 258, 262, 277, 284, 339
_WHITE_IS_ZERO, _UNSIGNED, _FLOAT, _SEPARATE = 0, 1, 3, 2
GREY_ALPHA = "LA;16B"
"""Pillow's raw mode of grey and alpha with 16 bits each, which it opens as RGBA."""


Tags = Mapping[int, Any]
"""The tags of a TIFF; none of any other image."""


def tags_of(image: Image.Image) -> Tags:
    """The tags of an image as Pillow opened it; a copy of it has lost them."""
    return dict(getattr(image, "tag_v2", {}))


def is_deep(mode: str) -> bool:
    """Whether images of a mode hold one number a pixel that is not an 8-bit level."""
    return mode in ("F", "I") or mode.startswith("I;")


def require_levels(mode: str, tags: Tags) -> None:
    """Raise PictureError for floating-point or signed values, which have no black and no white."""
    kinds = _all(tags.get(_SAMPLE_FORMAT, _UNSIGNED))
    if mode == "F" or _FLOAT in kinds:
        raise PictureError("the image holds floating-point values; save it with 8 or 16 bits")
    if any(kind != _UNSIGNED for kind in kinds):
        raise PictureError("the image holds signed values; save it with 8 or 16 unsigned bits")


def require_interleaved(tags: Tags) -> None:
    """Raise PictureError for a TIFF of 16-bit channels one after the other.

    Pillow reads them as 8-bit ones, or only their upper bytes, without an error.
    """
    separate = tags.get(_PLANAR) == _SEPARATE and tags.get(_SAMPLES, 1) > 1
    if separate and max(_all(tags.get(_BITS, 1))) > 8:
        raise PictureError(
            "the TIFF holds its channels one after the other with more than 8 bits a sample, which"
            " cannot be read; save it with interleaved channels (planar configuration 1)"
        )


def levels(image: Image.Image, tags: Tags) -> NDArray[np.uint8]:
    """Grey of 8 bits, shape [height, width], of a deep image that passes require_levels.

    The full range of its depth becomes 0 to 255.
    """
    # Pillow keeps unsigned 32 bits as if signed; 16-bit PNG and PNM of any maximum come as 16 bits.
    bits = _all(tags.get(_BITS, 16))[0]
    numbers = np.asarray(image)
    if image.mode == "I":
        numbers = numbers.view(np.uint32)
    most = 2**bits - 1
    grey: NDArray[np.uint8] = (
        (numbers.astype(np.uint64) * 255 // most).clip(0, 255).astype(np.uint8)
    )
    return np.bitwise_not(grey) if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO else grey


def is_not_black(image: Image.Image, tags: Tags) -> NDArray[np.bool_]:
    """Where a deep image is not black, bool [height, width]."""
    black = 0
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and image.mode != "F":
        black = 2 ** _all(tags.get(_BITS, 16))[0] - 1
    return np.asarray(np.asarray(image) != black, np.bool_)


def low_bytes_of(rawmode: str) -> str | None:
    """The raw mode that reads the other byte of each 16-bit sample; None where there is none.

    Colours that are multiplied by alpha are read as they are stored.

    >>> low_bytes_of("RGB;16B"), low_bytes_of("LA;16B"), low_bytes_of("RGBa;16L")
    ('RGB;16L', 'RGBA', 'RGBA;16B')
    >>> low_bytes_of("RGB")
    """
    if rawmode == GREY_ALPHA:
        return "RGBA"  # each byte of both samples as a band of its own
    kind, _, order = rawmode.replace("RGBa", "RGBA").partition(";16")
    other = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}.get(order)
    return f"{kind};16{other}" if kind in ("RGB", "RGBA") and other else None


def _all(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)
