"""Encoded pictures to pixels and masks, the same wherever partlens looks at them."""

from partlens.common.pictures.decoding import decode, pixels_of
from partlens.common.pictures.errors import PictureError
from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.masks import inside
from partlens.common.pictures.memory import memory_of
from partlens.common.pictures.opening import FORMATS

__all__ = [
    "DEFAULT_LIMITS",
    "FORMATS",
    "ImageLimits",
    "PictureError",
    "decode",
    "inside",
    "memory_of",
    "pixels_of",
]
