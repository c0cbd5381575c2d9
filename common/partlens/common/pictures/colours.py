"""Embedded colour profiles: every colour becomes sRGB, as a viewer shows it."""

import io
from functools import lru_cache
from itertools import product

import numpy as np
from PIL import Image, ImageCms

from partlens.common.pictures.png import MAX_PROFILE

_SPACE = slice(16, 20)
"""Where a profile names the kind of numbers that it describes."""
_SPACES = {"L": b"GRAY", "RGB": b"RGB ", "CMYK": b"CMYK"}
_NO_CHANGE = 2
"""Levels by which a profile must change some colour to be applied at all."""


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB as sRGB shows it; the image itself if nothing changes.

    Args:
        image: of mode L, RGB, CMYK or LAB.
        profile: the ICC profile that says what its numbers mean; ignored if it is damaged, is
            larger than MAX_PROFILE or describes another kind of image.
    """
    if image.mode == "LAB":
        return _lab_to_srgb().apply(image)  # which are colours by themselves
    if profile and len(profile) <= MAX_PROFILE:
        if transform := _to_srgb(profile, image.mode):
            return transform.apply(image)
        # Many a grey JPEG carries the profile of the colour picture it was made of.
        if image.mode == "L" and (transform := _to_srgb(profile, "RGB")):
            return transform.apply(image.convert("RGB"))
    return image if image.mode == "RGB" else image.convert("RGB")


# Most pictures of a folder carry the same few profiles.
@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None if the profile cannot be used, or changes nothing."""
    if profile[_SPACE] != _SPACES[mode]:
        return None
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
        probe = _probe(mode)
        changed = np.asarray(transform.apply(probe), np.int16) - np.asarray(probe.convert("RGB"))
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return None
    return transform if np.abs(changed).max() > _NO_CHANGE else None


@lru_cache(maxsize=1)
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def _probe(mode: str) -> Image.Image:
    """An image of colours from all over a mode's range."""
    bands = Image.getmodebands(mode)
    steps = range(0, 256, 15 if bands < 4 else 51)
    colours = np.array(list(product(steps, repeat=bands)), np.uint8)
    image = Image.new(mode, (len(colours), 1))
    image.frombytes(colours.tobytes())
    return image
