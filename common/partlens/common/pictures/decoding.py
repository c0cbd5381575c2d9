"""Encoded image bytes to upright sRGB pixels, refusing what cannot be shown safely."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import depths
from partlens.common.pictures.colours import to_srgb
from partlens.common.pictures.errors import PictureError, TooLargeError
from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.opening import Stored, opened, refusals


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Pixels of an encoded image, uint8 sRGB [height, width, 3], upright (EXIF rotation applied).

    CMYK, grey, palette and deeper images become 8-bit RGB, their whole range 0 to 255; an embedded
    ICC profile is applied; what is transparent is shown over white; of an animation the first
    frame is taken.

    Raises:
        PictureError: empty, not an image, of another format, damaged or over the limits.
    """
    limits.require_bytes(data)
    try:
        stored = opened(data, limits.require_size)
    except TooLargeError as error:
        raise PictureError(
            f"the image would decode to more than {limits.max_pixels} pixels: save it smaller"
        ) from error
    depths.require_levels(stored.image)
    with refusals():
        rgb = to_srgb(colours(stored.image), stored.image.info.get("icc_profile"))
        alpha = transparency(stored)
        if alpha is not None:
            rgb.putalpha(alpha)
            rgb = Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb).convert("RGB")
        return np.array(stored.upright(rgb))


def transparency(stored: Stored) -> Image.Image | None:
    """How opaque each pixel is, mode L; None for an image without transparency."""
    image = stored.image
    key = image.info.get("transparency")
    low = None if key is None else stored.low_bytes()
    if low is not None:
        # Compared as they are encoded: of 16 bits, Pillow has kept 8.
        samples = np.asarray(image).astype(np.uint16) << 8 | low
        return _opaque_but(np.all(samples == key, axis=2))
    if depths.is_deep(image):
        return None if key is None else _opaque_but(np.asarray(image) == key)
    return image.convert("RGBA").getchannel("A") if image.has_transparency_data else None


def _opaque_but(clear: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))


def colours(image: Image.Image) -> Image.Image:
    """The image without its alpha, in a mode that a colour profile can describe."""
    if depths.is_deep(image):
        return Image.fromarray(depths.levels(image))
    if image.mode in ("1", "L", "LA"):
        return image.getchannel(0).convert("L")
    if image.mode in ("RGB", "CMYK", "LAB"):
        return image
    # Not straight to RGB: Pillow warns that a palette with alpha loses it.
    return image.convert("RGBA" if image.has_transparency_data else "RGB").convert("RGB")
