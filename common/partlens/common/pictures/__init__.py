"""Encoded pictures to pixels and masks, the same wherever partlens looks at them."""

from partlens.common.pictures.decoding import decode, decode_at_least, pixels_of
from partlens.common.pictures.errors import PictureError
from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.masks import inside
from partlens.common.pictures.memory import memory_of
from partlens.common.pictures.opening import FORMATS
from partlens.common.pictures.scale import THUMBNAIL_SIDE, Least
from partlens.common.pictures.upright import UprightPicture

__all__ = [
    "DEFAULT_LIMITS",
    "FORMATS",
    "THUMBNAIL_SIDE",
    "ImageLimits",
    "Least",
    "PictureError",
    "UprightPicture",
    "decode",
    "decode_at_least",
    "inside",
    "memory_of",
    "pixels_of",
]
